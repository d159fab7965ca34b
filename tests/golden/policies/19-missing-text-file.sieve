if thread "new" {
  vacation "file:templates/recieved.txt";
}
