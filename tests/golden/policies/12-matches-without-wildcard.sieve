if header :matches "Subject" "invoice" {
  fileinto "billing";
}
