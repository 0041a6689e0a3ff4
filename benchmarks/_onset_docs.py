def write(f,d): pass
