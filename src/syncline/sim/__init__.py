"""The deterministic simulator: virtual time, network and disks around the real core."""
