if header :contains "Subject" "invoice" {
  fileinto "biling";
}
