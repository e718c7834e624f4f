"""F and k of Gray–Scott from a black-and-white picture, by what grown patterns taught."""
