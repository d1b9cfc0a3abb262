//! Places of the blocks in hand as numbers: many are judged in a row, without a branch for each bit.

use super::block::{BLOCKS, Lanes};

/// Some places, in order.
#[derive(Debug)]
pub(super) struct Places {
    places: [u16; Places::ROOM],
    len: usize,
}

impl Default for Places {
    fn default() -> Self {
        Places { places: [0; Places::ROOM], len: 0 }
    }
}

impl Places {
    const ROOM: usize = 64 * BLOCKS + 8;

    /// Those of the bits of `lanes`, of which few blocks have more than `STEP`.
    #[inline(always)]
    pub fn fill<const STEP: usize>(&mut self, lanes: &Lanes) {
        let mut len = 0;
        for block in 0..BLOCKS {
            let mut bits = lanes[block];
            let end = len + bits.count_ones() as usize;
            let base = 64 * block as u16;
            // More are written than there are: that is cheaper than to ask each time. What is too much is written
            // over.
            while let Some(step) = self.places.get_mut(len..len + STEP) {
                for place in step {
                    *place = base + bits.trailing_zeros() as u16;
                    bits &= bits.wrapping_sub(1);
                }
                len += STEP;
                if len >= end {
                    break;
                }
            }
            len = end;
        }
        self.len = len;
    }

    /// Keeps those that `test` is true of.
    #[inline(always)]
    pub fn keep(&mut self, mut test: impl FnMut(usize) -> bool) {
        let mut kept = 0;
        for i in 0..self.len.min(Places::ROOM) {
            let place = self.places[i];
            self.places[kept] = place;
            kept += usize::from(test(usize::from(place)));
        }
        self.len = kept;
    }

    /// The places, in order.
    #[inline(always)]
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        self.places[..self.len.min(Places::ROOM)].iter().map(|place| usize::from(*place))
    }
}
