//! A consumer group: its members, who owns which partition, and what it has committed.
//!
//! A partition has one owner at a time. When it is to move, its owner is told and goes on owning
//! it until the revocation is answered; only then is it offered to the new one.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tokio::sync::Notify;

use super::{
    assignment::{Eligible, MemberId, Targets, share_out},
    store::PartitionId,
};

/// A group, also when it has no members.
#[derive(Default)]
pub struct Group {
    committed: BTreeMap<PartitionId, u64>,
    signals: BTreeMap<MemberId, Arc<Notify>>,
    eligible: Eligible,
    targets: Targets,
    owners: BTreeMap<PartitionId, Owner>,
    news: BTreeSet<MemberId>,
}

struct Owner {
    member: MemberId,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The member has not heard of it yet.
    Offered,
    Held,
    /// It shall move; the member has not heard of it yet.
    Recalled,
    /// The member knows, and has not answered yet.
    Leaving,
}

/// What a member must be told next.
pub enum News {
    /// These partitions shall go.
    Revoked(Vec<PartitionId>),
    /// These partitions are the member's now.
    Assigned(Vec<PartitionId>),
}

impl Group {
    /// Adds a member that wants `partitions`; `signal` wakes it when there is news.
    pub fn join(
        &mut self,
        member: MemberId,
        partitions: BTreeSet<PartitionId>,
        signal: Arc<Notify>,
    ) {
        self.eligible.insert(member, partitions);
        self.signals.insert(member, signal);
        self.rebalance();
    }

    /// Removes a member. What it was told to let go stays its own until it answers that.
    pub fn leave(&mut self, member: MemberId) {
        self.eligible.remove(&member);
        self.signals.remove(&member);
        self.news.remove(&member);
        self.owners.retain(|_, owner| owner.member != member || owner.stage == Stage::Leaving);
        self.rebalance();
    }

    /// What `member` must be told next; from then on it counts as told.
    pub fn news(&mut self, member: MemberId) -> Option<News> {
        if !self.news.contains(&member) {
            return None;
        }
        let revoked = self.advance(member, Stage::Recalled, Stage::Leaving);
        if !revoked.is_empty() {
            return Some(News::Revoked(revoked));
        }
        self.news.remove(&member);
        let assigned = self.advance(member, Stage::Offered, Stage::Held);
        (!assigned.is_empty()).then_some(News::Assigned(assigned))
    }

    fn advance(&mut self, member: MemberId, from: Stage, to: Stage) -> Vec<PartitionId> {
        let mut changed = Vec::new();
        for (partition, owner) in &mut self.owners {
            if owner.member == member && owner.stage == from {
                owner.stage = to;
                changed.push(*partition);
            }
        }
        changed
    }

    /// `member` has answered the revocation of `partitions`.
    pub fn release(&mut self, member: MemberId, partitions: &[PartitionId]) {
        for partition in partitions {
            let owner = self.owners.get(partition);
            if owner.is_some_and(|own| own.member == member && own.stage == Stage::Leaving) {
                self.owners.remove(partition);
                self.settle(*partition);
            }
        }
    }

    /// Stores a position for `member`; ignored unless it owns the partition. Says whether it was
    /// stored.
    pub fn store(&mut self, member: MemberId, partition: PartitionId, offset: u64) -> bool {
        let owner = self.owners.get(&partition);
        let is_own = owner.is_some_and(|own| own.member == member && own.stage != Stage::Offered);
        is_own && self.committed.insert(partition, offset) != Some(offset)
    }

    /// The committed offset of a partition.
    pub fn committed(&self, partition: PartitionId) -> Option<u64> {
        self.committed.get(&partition).copied()
    }

    /// Takes over what was committed in an earlier life.
    pub fn restore(&mut self, partition: PartitionId, offset: u64) {
        self.committed.insert(partition, offset);
    }

    fn rebalance(&mut self) {
        share_out(&mut self.targets, &self.eligible);
        let partitions: Vec<PartitionId> = self.targets.keys().copied().collect();
        for partition in partitions {
            self.settle(partition);
        }
    }

    /// Brings the owner of `partition` one step nearer to its target.
    fn settle(&mut self, partition: PartitionId) {
        let Some(&target) = self.targets.get(&partition) else { return };
        let offer = Owner { member: target, stage: Stage::Offered };
        match self.owners.get_mut(&partition) {
            None => {
                self.owners.insert(partition, offer);
                self.tell(target);
            }
            Some(owner) if owner.member == target => {
                if owner.stage == Stage::Recalled {
                    owner.stage = Stage::Held;
                }
            }
            Some(owner) => match owner.stage {
                Stage::Offered => {
                    *owner = offer;
                    self.tell(target);
                }
                Stage::Held => {
                    owner.stage = Stage::Recalled;
                    let member = owner.member;
                    self.tell(member);
                }
                Stage::Recalled | Stage::Leaving => {}
            },
        }
    }

    fn tell(&mut self, member: MemberId) {
        self.news.insert(member);
        if let Some(signal) = self.signals.get(&member) {
            signal.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(group: &mut Group, member: MemberId) {
        group.join(member, (0..4).collect(), Arc::default());
    }

    fn assigned(group: &mut Group, member: MemberId) -> Vec<PartitionId> {
        match group.news(member) {
            Some(News::Assigned(partitions)) => partitions,
            Some(News::Revoked(partitions)) => panic!("revoked {partitions:?}"),
            None => Vec::new(),
        }
    }

    fn revoked(group: &mut Group, member: MemberId) -> Vec<PartitionId> {
        match group.news(member) {
            Some(News::Revoked(partitions)) => partitions,
            Some(News::Assigned(partitions)) => panic!("assigned {partitions:?}"),
            None => Vec::new(),
        }
    }

    #[test]
    fn a_partition_moves_only_when_its_revocation_is_answered() {
        let mut group = Group::default();
        join(&mut group, 1);
        assert_eq!(assigned(&mut group, 1), [0, 1, 2, 3]);
        join(&mut group, 2);
        assert!(assigned(&mut group, 2).is_empty());
        let going = revoked(&mut group, 1);
        assert_eq!(going.len(), 2);
        assert!(assigned(&mut group, 2).is_empty());
        assert!(group.store(1, going[0], 7), "the owner may still store");
        assert!(!group.store(2, going[0], 9), "the next one not yet");
        group.release(1, &going);
        assert_eq!(assigned(&mut group, 2), going);
        assert!(!group.store(1, going[0], 8), "the former owner no more");
        assert_eq!(group.committed(going[0]), Some(7));
    }

    #[test]
    fn what_a_member_never_heard_of_is_taken_back_without_asking() {
        let mut group = Group::default();
        join(&mut group, 1);
        join(&mut group, 2);
        assert_eq!(assigned(&mut group, 1).len(), 2);
        assert_eq!(assigned(&mut group, 2).len(), 2);
    }

    #[test]
    fn a_recall_is_called_off_when_the_newcomer_leaves_before_the_owner_heard_of_it() {
        let mut group = Group::default();
        join(&mut group, 1);
        assert_eq!(assigned(&mut group, 1).len(), 4);
        join(&mut group, 2);
        group.leave(2);
        assert!(group.news(1).is_none());
    }

    #[test]
    fn a_revocation_outlives_the_member_that_must_answer_it() {
        let mut group = Group::default();
        join(&mut group, 1);
        assert_eq!(assigned(&mut group, 1).len(), 4);
        join(&mut group, 2);
        let going = revoked(&mut group, 1);
        group.leave(1);
        assert_eq!(assigned(&mut group, 2).len(), 2, "only what was not being revoked");
        group.release(1, &going);
        assert_eq!(assigned(&mut group, 2), going);
    }

    #[test]
    fn a_partition_may_come_back_to_the_member_that_let_it_go() {
        let mut group = Group::default();
        join(&mut group, 1);
        assert_eq!(assigned(&mut group, 1).len(), 4);
        join(&mut group, 2);
        let going = revoked(&mut group, 1);
        group.leave(2);
        assert!(group.news(1).is_none(), "not before it has answered");
        group.release(1, &going);
        assert_eq!(assigned(&mut group, 1), going);
    }
}
