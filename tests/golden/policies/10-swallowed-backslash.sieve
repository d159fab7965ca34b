if header :regex "Subject" "order \d+" {
  fileinto "billing";
}
