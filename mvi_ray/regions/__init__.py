"""From a drawn mask to named regions, in voxels and millimetres."""
