if allof header :contains "Subject" "a", header :contains "Subject" "b" {
  discard;
}
