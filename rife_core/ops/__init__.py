"""One operation a file, its plain form and its fast form together; knows nothing of RIFE."""
