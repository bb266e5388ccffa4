"""OCI images: references, blobs, layers, registries, the catalogue. Mounts nothing and knows no other room."""
