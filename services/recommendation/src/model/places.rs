//! Places of one width in one vector.

use super::narrow;

/// Numbered places for a few elements each; those given back are used again.
#[derive(Clone, Debug)]
pub struct Places<T> {
    width: usize,
    elements: Vec<T>,
    free: Vec<u32>,
}

impl<T: Copy> Places<T> {
    /// Places for so many elements each.
    pub const fn new(width: usize) -> Self {
        Self { width, elements: Vec::new(), free: Vec::new() }
    }

    /// How many places there are, those given back among them.
    pub const fn len(&self) -> usize {
        self.elements.len() / self.width
    }

    /// A place, all of it `filling` or what was there before.
    pub fn take(&mut self, filling: T) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            let place = self.len();
            self.elements.resize(self.elements.len() + self.width, filling);
            narrow(place)
        })
    }

    /// Gives a place back.
    pub fn release(&mut self, place: u32) {
        self.free.push(place);
    }

    /// What is in a place.
    pub fn at(&self, place: u32) -> &[T] {
        &self.elements[place as usize * self.width..][..self.width]
    }

    /// What is in a place, to be changed.
    pub fn at_mut(&mut self, place: u32) -> &mut [T] {
        &mut self.elements[place as usize * self.width..][..self.width]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_nobody_elses_until_it_is_given_back() {
        let mut places = Places::new(2);
        let taken: Vec<u32> = (0..5000).map(|_| places.take(0)).collect();
        for &place in &taken {
            places.at_mut(place).fill(place);
        }
        assert!(taken.iter().all(|&place| places.at(place) == [place; 2]));
        places.release(taken[300]);
        assert_eq!((places.take(0), places.take(0), places.len()), (taken[300], 5000, 5001));
    }
}
