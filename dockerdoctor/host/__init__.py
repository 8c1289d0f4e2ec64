"""The only door to the machine: probes see through `HostView`, rungs act through `HostControl`."""
