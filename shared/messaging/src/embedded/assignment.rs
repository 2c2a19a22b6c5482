//! Who gets which partition: shared out evenly, and only what must move moves.

use std::collections::{BTreeMap, BTreeSet};

use super::store::PartitionId;

/// A member of a group; later members have higher numbers.
pub type MemberId = u64;

/// The partitions of the topics that each member has subscribed to.
pub type Eligible = BTreeMap<MemberId, BTreeSet<PartitionId>>;

/// Who shall own each partition.
pub type Targets = BTreeMap<PartitionId, MemberId>;

/// Changes `targets` as little as needed, so that every partition has an eligible member and no
/// partition could move to a member with two partitions fewer.
pub fn share_out(targets: &mut Targets, eligible: &Eligible) {
    targets.retain(|partition, member| can_own(eligible, *member, *partition));
    let all: BTreeSet<PartitionId> = eligible.values().flatten().copied().collect();
    for partition in all {
        if !targets.contains_key(&partition)
            && let Some((_, member)) = least_loaded(targets, eligible, partition)
        {
            targets.insert(partition, member);
        }
    }
    while let Some((partition, member)) = move_that_levels(targets, eligible) {
        targets.insert(partition, member);
    }
}

fn can_own(eligible: &Eligible, member: MemberId, partition: PartitionId) -> bool {
    eligible.get(&member).is_some_and(|partitions| partitions.contains(&partition))
}

fn load(targets: &Targets, member: MemberId) -> usize {
    targets.values().filter(|owner| **owner == member).count()
}

fn least_loaded(
    targets: &Targets,
    eligible: &Eligible,
    partition: PartitionId,
) -> Option<(usize, MemberId)> {
    let members = eligible.keys().filter(|member| can_own(eligible, **member, partition));
    members.map(|member| (load(targets, *member), *member)).min()
}

/// A partition of the most loaded member that has one to give, and who shall get it. Each such
/// move makes the sum of the squared loads smaller, so there is a last one.
fn move_that_levels(targets: &Targets, eligible: &Eligible) -> Option<(PartitionId, MemberId)> {
    let mut best: Option<(usize, PartitionId, MemberId)> = None;
    for (partition, owner) in targets {
        let have = load(targets, *owner);
        let Some((least, member)) = least_loaded(targets, eligible, *partition) else { continue };
        if have >= least + 2 && best.is_none_or(|(most, ..)| have >= most) {
            best = Some((have, *partition, member));
        }
    }
    best.map(|(_, partition, member)| (partition, member))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(count: u64, partitions: u32) -> Eligible {
        (0..count).map(|member| (member, (0..partitions).collect())).collect()
    }

    fn loads(targets: &Targets, count: u64) -> Vec<usize> {
        (0..count).map(|member| load(targets, member)).collect()
    }

    fn moved(before: &Targets, after: &Targets) -> usize {
        before.iter().filter(|(partition, owner)| after.get(partition) != Some(owner)).count()
    }

    #[test]
    fn everything_is_shared_out_evenly_and_only_what_must_move_moves() {
        let mut targets = Targets::new();
        share_out(&mut targets, &members(1, 12));
        assert_eq!(loads(&targets, 1), [12]);
        for (count, expected, must_move) in
            [(2, vec![6, 6], 6), (3, vec![4, 4, 4], 4), (5, vec![3, 3, 2, 2, 2], 4)]
        {
            let before = targets.clone();
            share_out(&mut targets, &members(count, 12));
            let mut found = loads(&targets, count);
            found.sort_unstable_by(|a, b| b.cmp(a));
            assert_eq!(found, expected);
            assert_eq!(moved(&before, &targets), must_move, "to {count} members");
        }
    }

    #[test]
    fn when_a_member_leaves_only_its_partitions_move() {
        let mut targets = Targets::new();
        share_out(&mut targets, &members(3, 12));
        let before = targets.clone();
        let mut left = members(3, 12);
        left.remove(&1);
        share_out(&mut targets, &left);
        assert_eq!(moved(&before, &targets), 4);
        assert_eq!([load(&targets, 0), load(&targets, 2)], [6, 6]);
    }

    #[test]
    fn a_member_gets_only_partitions_of_its_topics() {
        let eligible = Eligible::from([(0, BTreeSet::from([0, 1, 2])), (1, BTreeSet::from([2]))]);
        let mut targets = Targets::new();
        share_out(&mut targets, &eligible);
        assert_eq!(targets, Targets::from([(0, 0), (1, 0), (2, 1)]));
    }

    #[test]
    fn more_members_than_partitions_leaves_some_without() {
        let mut targets = Targets::new();
        share_out(&mut targets, &members(5, 2));
        assert_eq!(loads(&targets, 5), [1, 1, 0, 0, 0]);
    }
}
