if header :regex "Subject" "order (no|nr" {
  fileinto "billing";
}
