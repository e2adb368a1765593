//! Slots with generations.

use crate::Id;

struct Slot<T> {
    generation: u32,
    tenant: Option<T>,
}

/// Values by [`Id`]. A slot that was left is let again only after [`Table::recycle`], so that ids written down during
/// a turn cannot come to mean a newcomer of the same turn.
pub(crate) struct Table<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    left: Vec<u32>,
}

impl<T> Table<T> {
    pub(crate) fn new() -> Self {
        Table { slots: Vec::new(), free: Vec::new(), left: Vec::new() }
    }

    /// The id that the next [`insert`](Table::insert) gives; none when the table is full.
    pub(crate) fn vacancy(&self) -> Option<Id> {
        match self.free.last() {
            Some(&slot) => Some(Id { slot, generation: self.slots.get(slot as usize)?.generation }),
            None => {
                let slot = u32::try_from(self.slots.len()).ok().filter(|&slot| slot < Id::MAX_SLOTS)?;
                Some(Id { slot, generation: 0 })
            }
        }
    }

    pub(crate) fn insert(&mut self, tenant: T) -> Option<Id> {
        let id = self.vacancy()?;
        match self.free.pop() {
            Some(slot) => self.slots.get_mut(slot as usize)?.tenant = Some(tenant),
            None => self.slots.push(Slot { generation: 0, tenant: Some(tenant) }),
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

    pub(crate) fn remove(&mut self, id: Id) -> Option<T> {
        let slot = self.slots.get_mut(id.slot as usize)?;
        if slot.generation != id.generation {
            return None;
        }
        let tenant = slot.tenant.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.left.push(id.slot);
        Some(tenant)
    }

    /// Lets the slots again that were left since the last call.
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
        assert_eq!(first, Some(Id { slot: 0, generation: 0 }));
        let first = first.unwrap_or(Id::from_bits(0));
        assert_eq!(table.remove(first), Some('a'));
        assert_eq!(table.remove(first), None);
        assert_eq!(table.insert('b'), Some(Id { slot: 1, generation: 0 }));
        table.recycle();
        assert_eq!(table.insert('c'), Some(Id { slot: 0, generation: 1 }));
        assert_eq!(table.get(first), None);
        assert_eq!(table.get_mut(first), None);
        assert_eq!(table.get(Id { slot: 0, generation: 1 }), Some(&'c'));
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
