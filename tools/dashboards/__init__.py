"""The source of the dashboards in grafana/: readable Python in, Grafana's JSON out."""
