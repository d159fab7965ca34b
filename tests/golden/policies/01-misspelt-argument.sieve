if header :contians "Subject" "lottery" {
  discard;
}
