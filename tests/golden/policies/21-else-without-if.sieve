if header :contains "Subject" "invoice" {
  fileinto "billing";
}
keep;
else {
  discard;
}
