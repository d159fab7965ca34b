addflag "spam"
keep;
