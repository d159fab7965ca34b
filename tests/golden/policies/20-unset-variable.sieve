set "greeting" "Hello";
if thread "new" {
  vacation "${greting} ${message.subjekt}";
}
