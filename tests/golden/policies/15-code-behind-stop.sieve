if header :contains "Subject" "invoice" {
  stop;
  fileinto "billing";
}
