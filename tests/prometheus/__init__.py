"""Real Prometheus, promtool and Alertmanager, of Debian's packages, against what we ship."""
