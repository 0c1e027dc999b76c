"""What a folder of synthetic records says of itself: datasheet, Croissant metadata, licences, checksums."""
