if address :contains "Subject" "invoice" {
  fileinto "billing";
}
