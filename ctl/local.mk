# posternctl: a file for each noun
