"""(Volume, Mask, settings) to rows of numbers; knows no Ray and no store."""
