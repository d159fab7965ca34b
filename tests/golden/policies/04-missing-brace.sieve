if header :contains "Subject" "invoice" {
  fileinto "billing";

if header :contains "Subject" "offer" {
  discard;
}
