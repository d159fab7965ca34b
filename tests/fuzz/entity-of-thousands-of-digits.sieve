if body :text :contains "b" {
    discard;
}
