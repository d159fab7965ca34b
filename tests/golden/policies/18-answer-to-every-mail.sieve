vacation :days 1 "We are closed.";
