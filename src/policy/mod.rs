//! What a batch is held against: compiled once, swapped whole.
