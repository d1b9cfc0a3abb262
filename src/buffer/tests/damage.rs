//! Torn tails and flipped bits.
