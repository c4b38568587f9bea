"""Real proxies before a small upstream, for test_proxies.py. Each asks Symbolon as its printed configuration says."""
