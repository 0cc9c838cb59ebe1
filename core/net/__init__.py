"""The fetch layer that all network sources share: polite, verified, resumable, cached HTTP and S3."""
