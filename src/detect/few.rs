//! A handful of copies without an allocation.

/// Up to `N` distinct values; more are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Few<T, const N: usize>([Option<T>; N]);

impl<T: Copy + PartialEq, const N: usize> Default for Few<T, N> {
    fn default() -> Self {
        Few([None; N])
    }
}

impl<T: Copy + PartialEq, const N: usize> Few<T, N> {
    /// Adds a value unless it is there, or there is no room.
    pub fn add(&mut self, value: T) {
        for slot in &mut self.0 {
            match slot {
                Some(have) if *have == value => return,
                Some(_) => {}
                None => {
                    *slot = Some(value);
                    return;
                }
            }
        }
    }

    /// The values in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
        self.0.iter().map_while(|slot| *slot)
    }

    /// The first value.
    pub fn first(&self) -> Option<T> {
        self.iter().next()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.first().is_none()
    }

    /// Whether `value` is one of them.
    pub fn contains(&self, value: T) -> bool {
        self.iter().any(|have| have == value)
    }
}

impl<T: Copy + PartialEq + serde::Serialize, const N: usize> serde::Serialize for Few<T, N> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de, T: Copy + PartialEq + serde::Deserialize<'de>, const N: usize> serde::Deserialize<'de>
    for Few<T, N>
{
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<T>::deserialize(deserializer)?.into_iter().collect())
    }
}

impl<T: Copy + PartialEq, const N: usize> FromIterator<T> for Few<T, N> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut few = Self::default();
        values.into_iter().for_each(|value| few.add(value));
        few
    }
}
