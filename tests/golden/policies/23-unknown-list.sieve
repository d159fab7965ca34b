if address :list "From" "vpi" {
  addflag "vip";
}
