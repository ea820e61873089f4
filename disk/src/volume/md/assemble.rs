//! Which members of an array are current, and what that makes of it.

use bstr::ByteSlice;

use super::content::{self, Place};
use super::superblock::{Role, Superblock};
use super::{Array, Found, MAX_MEMBERS, Member};
use crate::bytes::index;
use crate::volume::refusal::Refusal;
use crate::{Error, Result};

/// A member may have missed that many events: the count changes on one device before it does on the next.
const EVENT_MARGIN: u64 = 1;

/// Puts the array together of which `members` were found; `None` if there are none.
pub(super) fn assemble(members: &[&Found<'_>], problems: &mut Vec<Error>) -> Option<Array> {
    let newest = newest(members)?;
    let superblock = &newest.superblock;
    let mut described = Vec::new();
    let mut stale = Vec::new();
    for member in members {
        let role = current_role(member, superblock);
        if role.is_none() {
            stale.push(member.name.to_string());
            problems.push(Error::corrupt(format!(
                "{} missed changes of {}: it has seen event {}, {} has seen {}",
                member.name,
                title(superblock),
                member.superblock.events,
                newest.name,
                superblock.events
            )));
        }
        described.push(Member {
            device: member.name.to_owned(),
            number: member.superblock.number,
            role,
            write_mostly: member.superblock.write_mostly,
        });
    }
    let places = places(superblock, members, &described);
    let complete = places.as_ref().is_ok_and(|places| places.iter().all(Option::is_some));
    let source = places.and_then(|places| {
        if let Some(other) = contradicting(newest, members) {
            return Err(Error::unsupported(format!(
                "{} and {} have seen as many events, and disagree on who is a member",
                newest.name, other.name
            )));
        }
        if let Some(obstacle) = superblock.obstacle {
            return Err(Error::unsupported(obstacle));
        }
        content::open(superblock, &places, &stale)
    });
    Some(Array {
        uuid: superblock.uuid,
        name: superblock.name.clone(),
        version: superblock.version,
        level: superblock.level,
        raid_disks: superblock.raid_disks,
        members: described,
        complete,
        source: source.map_err(|error| Refusal::from(error.context(title(superblock)))),
    })
}

/// What an array is called in messages.
fn title(superblock: &Superblock) -> String {
    if superblock.name.is_empty() {
        let identifier: String = superblock.uuid.iter().map(|byte| format!("{byte:02x}")).collect();
        return format!("array {identifier}");
    }
    format!("array {}", superblock.name.as_bstr())
}

/// The member that has seen the most events, of those that have a place if there are any; the first of several.
fn newest<'m, 'd>(members: &[&'m Found<'d>]) -> Option<&'m Found<'d>> {
    let has_place = |member: &&&Found<'_>| matches!(member.superblock.role, Role::Active(_));
    let with_place = members.iter().rev().filter(has_place).max_by_key(|member| member.superblock.events);
    with_place.or_else(|| members.iter().rev().max_by_key(|member| member.superblock.events)).copied()
}

/// Do two superblocks describe the same array in the same shape?
fn same_shape(a: &Superblock, b: &Superblock) -> bool {
    let shape = |s: &Superblock| (s.version, s.created, s.level, s.layout, s.size, s.chunk, s.raid_disks);
    shape(a) == shape(b)
}

/// What a member is, as its own superblock and the newest one have it; `None` if they do not agree, or it missed changes.
fn current_role(member: &Found<'_>, newest: &Superblock) -> Option<Role> {
    let own = &member.superblock;
    if matches!(own.role, Role::Spare | Role::Journal) && same_shape(own, newest) {
        return Some(own.role);
    }
    if own.events.saturating_add(EVENT_MARGIN) < newest.events || !same_shape(own, newest) {
        return None;
    }
    let known = newest.roles.get(index(own.number)).copied().unwrap_or(Role::Spare);
    let place = |role: Role| match role {
        Role::Active(place) | Role::Recovering(place) | Role::Replacing(place) => Some(place),
        _ => None,
    };
    (place(known).is_some() && place(known) == place(own.role)).then_some(own.role)
}

/// A member that has seen as many events as the newest, and has another opinion of either.
fn contradicting<'m, 'd>(newest: &Found<'_>, members: &[&'m Found<'d>]) -> Option<&'m Found<'d>> {
    let of = |superblock: &Superblock, number: u32| superblock.roles.get(index(number)).copied();
    let (number, known) = (newest.superblock.number, &newest.superblock);
    members.iter().copied().find(|member| {
        let own = &member.superblock;
        own.events == known.events
            && matches!(own.role, Role::Active(_))
            && (of(own, number) != of(known, number) || of(own, own.number) != of(known, own.number))
    })
}

/// The current members by their places.
fn places<'f>(
    newest: &Superblock,
    members: &[&'f Found<'f>],
    described: &[Member],
) -> Result<Vec<Place<'f>>> {
    let count = index(newest.raid_disks);
    if count == 0 || count > MAX_MEMBERS {
        return Err(Error::corrupt(format!("an array of {count} devices")));
    }
    let mut places: Vec<Place<'f>> = vec![None; count];
    for (member, described) in members.iter().zip(described) {
        let Some(Role::Active(number)) = described.role else { continue };
        let place = places.get_mut(index(number));
        let place = place.ok_or_else(|| Error::corrupt(format!("place {number} of an array of {count}")))?;
        if let Some(other) = place.replace(*member) {
            return Err(Error::unsupported(format!(
                "{} and {} have the same place",
                other.name, member.name
            )));
        }
    }
    Ok(places)
}
