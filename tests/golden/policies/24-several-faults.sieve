if header :contains "Subject" {
  discrad;
}
fileinto "billing" "support";
if size :over "1M" {
  keep
}
