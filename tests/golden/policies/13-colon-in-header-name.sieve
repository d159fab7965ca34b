if header :contains "Subject:" "invoice" {
  fileinto "billing";
}
