//! Unread input at close: the peer reads a clean end, and a turn that closes many sockets stays bounded.

// A test that fails by panicking says more than one that returns an error.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use rustix::net::{RecvFlags, SendFlags, recv, send};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use udsock::SocketType::Stream;
use udsock_reactor::{Errno, Id, Rights, Role};

mod bench;

use bench::{Bench, pair, put};

const UNREAD: usize = 150_000;

/// Connections with unread input, and their peers.
fn crowd(bench: &mut Bench, count: usize, rights: Rights) -> Vec<(Id, OwnedFd)> {
    let bytes = vec![0; UNREAD];
    let mut crowd = Vec::new();
    for _ in 0..count {
        let (ours, peer) = pair();
        if rights == Rights::Refuse {
            let _ = udsock::refuse_rights(&ours);
        }
        let id = bench.reactor.add(ours, Role::Connection(Stream, rights)).unwrap();
        put(&peer, &bytes);
        crowd.push((id, peer));
    }
    crowd
}

/// Closes the connections, and returns how many peers read a clean end, and how long closing took.
fn clean_ends(bench: &mut Bench, crowd: Vec<(Id, OwnedFd)>) -> (usize, Duration) {
    let start = Instant::now();
    for (id, _) in &crowd {
        bench.reactor.close(*id).unwrap();
    }
    let took = start.elapsed();
    let ends = crowd.iter().filter(|(_, peer)| {
        loop {
            match recv(peer, &mut [0; 1][..], RecvFlags::empty()).map(|(length, _)| length) {
                Ok(0) => return true,
                Err(Errno::CONNRESET) => return false,
                // Another thread is about to close it.
                Err(Errno::AGAIN) => std::thread::sleep(Duration::from_millis(1)),
                unexpected => panic!("{unexpected:?}"),
            }
        }
    });
    (ends.count(), took)
}

#[test]
fn one_turn_drains_so_many_bytes_over_all_sockets_and_the_next_turn_as_many_again() {
    for rights in [Rights::Refuse, Rights::Discard] {
        let mut bench = Bench::new();
        for _ in 0..2 {
            let crowd = crowd(&mut bench, 200, rights);
            let (ends, took) = clean_ends(&mut bench, crowd);
            assert!(ends >= 80, "{ends} of 200");
            // 16 MiB are some 110 of them. What a busy machine takes longer for is more than one turn.
            assert!(ends < 200 || took >= Duration::from_millis(50), "{ends} of 200 in {took:?}");
            bench.poll();
        }
    }
}

#[test]
fn a_turn_of_few_closes_is_clean_whole() {
    for rights in [Rights::Refuse, Rights::Discard] {
        let mut bench = Bench::new();
        let crowd = crowd(&mut bench, 80, rights);
        assert_eq!(clean_ends(&mut bench, crowd).0, 80);
    }
}

#[test]
fn a_peer_that_keeps_writing_reads_a_clean_end() {
    for rights in [Rights::Refuse, Rights::Discard] {
        let mut ends = 0;
        for round in 0..20 {
            let mut bench = Bench::new();
            let (ours, peer) = pair();
            rustix::io::ioctl_fionbio(&peer, false).unwrap();
            if rights == Rights::Refuse {
                let _ = udsock::refuse_rights(&ours);
            }
            let id = bench.reactor.add(ours, Role::Connection(Stream, rights)).unwrap();
            let writer = std::thread::spawn(move || {
                while send(&peer, &[0; 1000], SendFlags::NOSIGNAL).is_ok() {}
                recv(&peer, &mut [0; 1][..], RecvFlags::empty()).map(|(length, _)| length)
            });
            std::thread::sleep(Duration::from_micros(100 * round));
            bench.reactor.close(id).unwrap();
            ends += usize::from(writer.join().unwrap() == Ok(0));
        }
        // A byte may come between the last look at an empty queue and the close.
        assert!(ends >= 18, "{ends} of 20");
    }
}
