"""Networks from one picture to one vector; one file each."""
