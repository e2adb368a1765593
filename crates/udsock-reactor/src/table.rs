//! A table of values by [`Id`]: slots with generations. What always holds: a slot is in one of three states. It has a tenant,
//! or it is in `left`, or it is in `free`.

use crate::Id;
use crate::id::FIRST_GENERATION;

struct Slot<T> {
    generation: u32,
    tenant: Option<T>,
}

/// Values by [`Id`]. A slot that became empty is used again only after [`Table::recycle`], so that an id that was written to a
/// ring never means a newcomer of the same turn.
pub(crate) struct Table<T> {
    slots: Vec<Slot<T>>,
    /// Empty slots that the next inserts use.
    free: Vec<u32>,
    /// Slots that became empty since the last [`Table::recycle`].
    left: Vec<u32>,
}

impl<T> Table<T> {
    pub(crate) fn new() -> Self {
        Table { slots: Vec::new(), free: Vec::new(), left: Vec::new() }
    }

    /// Returns the id that the next [`insert`](Table::insert) gives; `None` when the table is full.
    pub(crate) fn vacancy(&self) -> Option<Id> {
        match self.free.last() {
            Some(&slot) => Some(Id { slot, generation: self.slots.get(slot as usize)?.generation }),
            None => {
                let slot = u32::try_from(self.slots.len()).ok().filter(|&slot| slot < Id::MAX_SLOTS)?;
                Some(Id { slot, generation: FIRST_GENERATION })
            }
        }
    }

    pub(crate) fn insert(&mut self, tenant: T) -> Option<Id> {
        let id = self.vacancy()?;
        match self.free.pop() {
            Some(slot) => self.slots.get_mut(slot as usize)?.tenant = Some(tenant),
            None => self.slots.push(Slot { generation: FIRST_GENERATION, tenant: Some(tenant) }),
        }
        Some(id)
    }

    pub(crate) fn get(&self, id: Id) -> Option<&T> {
        let slot = self.slots.get(id.slot as usize)?;
        slot.tenant.as_ref().filter(|_| slot.generation == id.generation)
    }

    pub(crate) fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        let slot = self.slots.get_mut(id.slot as usize)?;
        slot.tenant.as_mut().filter(|_| slot.generation == id.generation)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().filter_map(|slot| slot.tenant.as_ref())
    }

    pub(crate) fn ids(&self) -> Vec<Id> {
        (0..)
            .zip(&self.slots)
            .filter(|(_, slot)| slot.tenant.is_some())
            .map(|(number, slot)| Id { slot: number, generation: slot.generation })
            .collect()
    }

    /// Empties the table. No id is valid any more.
    pub(crate) fn take_all(&mut self) -> Vec<T> {
        self.free.clear();
        self.left.clear();
        self.slots.drain(..).filter_map(|slot| slot.tenant).collect()
    }

    pub(crate) fn remove(&mut self, id: Id) -> Option<T> {
        let slot = self.slots.get_mut(id.slot as usize)?;
        if slot.generation != id.generation {
            return None;
        }
        let tenant = slot.tenant.take()?;
        slot.generation = slot.generation.checked_add(1).unwrap_or(FIRST_GENERATION);
        self.left.push(id.slot);
        Some(tenant)
    }

    /// Makes the slots usable that became empty since the last call.
    pub(crate) fn recycle(&mut self) {
        self.free.append(&mut self.left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_let_again_only_after_recycling_and_under_a_new_generation() {
        let mut table = Table::new();
        let first = table.insert('a');
        let expected = Id { slot: 0, generation: FIRST_GENERATION };
        assert_eq!(first, Some(expected));
        let first = expected;
        assert_eq!(table.remove(first), Some('a'));
        assert_eq!(table.remove(first), None);
        assert_eq!(table.insert('b'), Some(Id { slot: 1, generation: FIRST_GENERATION }));
        table.recycle();
        assert_eq!(table.insert('c'), Some(Id { slot: 0, generation: FIRST_GENERATION + 1 }));
        assert_eq!(table.get(first), None);
        assert_eq!(table.get_mut(first), None);
        assert_eq!(table.get(Id { slot: 0, generation: FIRST_GENERATION + 1 }), Some(&'c'));
    }

    #[test]
    fn a_full_table_refuses() {
        let mut table = Table::new();
        for _ in 0..Id::MAX_SLOTS {
            assert!(table.insert(()).is_some());
        }
        assert_eq!(table.insert(()), None);
    }
}
