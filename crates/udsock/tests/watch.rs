//! Watched paths: every way of losing one is reported, and an idle watch wakes no task up.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's failure is a panic")]

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use common::{Directory, soon};
use udsock::{Address, BindOptions, Bound, FileState, OnExisting, PathWatch, PathWatcher, bind_with};

fn start(path: &Path, on_existing: OnExisting) -> Bound {
    let options = BindOptions::new(4).on_existing(on_existing);
    bind_with(&Address::try_from(path).unwrap(), &options, &AtomicBool::new(false)).unwrap()
}

/// A listener, and a watch on its path that has looked once.
async fn watched(watcher: &Arc<PathWatcher>, path: &Path) -> (Bound, PathWatch) {
    let bound = start(path, OnExisting::Error);
    let mut watch = watcher.watch(bound.file.clone().unwrap());
    assert!(tokio::time::timeout(Duration::from_millis(50), watch.changed()).await.is_err());
    (bound, watch)
}

/// What the watch reports, within a second.
async fn reported(watch: &mut PathWatch) -> FileState {
    let begin = Instant::now();
    let state = soon(watch.changed()).await;
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    state
}

#[tokio::test]
async fn a_path_that_is_lost_in_any_way_is_reported_and_so_is_its_return() {
    let watcher = PathWatcher::shared();
    let ways: [fn(&Path, &Path); 6] = [
        |path, _| fs::remove_file(path).unwrap(),
        |path, _| fs::rename(path, path.with_extension("aside")).unwrap(),
        |path, home| {
            fs::write(home.join("file"), "text").unwrap();
            fs::rename(home.join("file"), path).unwrap();
        },
        |path, _| fs::rename(path.parent().unwrap(), path.parent().unwrap().with_extension("aside")).unwrap(),
        |_, home| fs::rename(home.join("a"), home.join("aside")).unwrap(),
        |path, _| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        },
    ];
    for (number, lose) in ways.into_iter().enumerate() {
        let home = Directory::new();
        let path = home.path().join("a/b/s");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let (_bound, mut watch) = watched(&watcher, &path).await;
        lose(&path, home.path());
        assert_eq!(reported(&mut watch).await, FileState::Lost, "way {number}");
    }
    let home = Directory::new();
    let path = home.path().join("s");
    let (_bound, mut watch) = watched(&watcher, &path).await;
    let aside = home.path().join("aside");
    for _ in 0..2 {
        fs::rename(&path, &aside).unwrap();
        assert_eq!(reported(&mut watch).await, FileState::Lost);
        fs::rename(&aside, &path).unwrap();
        assert_eq!(reported(&mut watch).await, FileState::Own);
    }
    fs::remove_file(&path).unwrap();
    let _other = UnixListener::bind(&path).unwrap();
    loop {
        match reported(&mut watch).await {
            FileState::Lost => {}
            state => break assert_eq!(state, FileState::Superseded),
        }
    }
}

#[tokio::test]
async fn a_symbolic_link_on_the_way_that_comes_to_mean_another_directory_is_noticed() {
    let home = Directory::new();
    for name in ["one", "two"] {
        fs::create_dir(home.path().join(name)).unwrap();
    }
    let link = home.path().join("link");
    symlink("one", &link).unwrap();
    let watcher = PathWatcher::shared();
    let (_bound, mut watch) = watched(&watcher, &link.join("s")).await;
    symlink("two", home.path().join("new")).unwrap();
    fs::rename(home.path().join("new"), &link).unwrap();
    assert_eq!(reported(&mut watch).await, FileState::Lost);
}

#[tokio::test]
async fn a_change_between_binding_and_watching_is_reported() {
    let home = Directory::new();
    let watcher = PathWatcher::shared();
    let first = start(&home.path().join("s"), OnExisting::Error);
    let second = start(&home.path().join("s"), OnExisting::TakeOver);
    assert_eq!(reported(&mut watcher.watch(first.file.unwrap())).await, FileState::Superseded);
    let file = second.file.unwrap();
    assert!(file.remove().unwrap());
    assert_eq!(reported(&mut watcher.watch(file)).await, FileState::Lost);
}

#[tokio::test]
async fn a_thousand_paths_have_one_descriptor_and_each_hears_of_its_own_change() {
    let home = Directory::new();
    let watcher = PathWatcher::shared();
    watcher.open().unwrap();
    let mut watches = Vec::new();
    for number in 0..300 {
        let bound = start(&home.path().join(number.to_string()), OnExisting::Error);
        watches.push(watcher.watch(bound.file.unwrap()));
    }
    #[cfg(target_os = "linux")]
    let before = common::open_descriptors();
    let running: Vec<_> = watches
        .into_iter()
        .map(|mut watch| {
            tokio::spawn(async move {
                let state = watch.changed().await;
                (state, watch)
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    #[cfg(target_os = "linux")]
    // The other tests open and close theirs.
    assert!(common::open_descriptors() < before + 50);
    for number in (0..300).step_by(3) {
        fs::remove_file(home.path().join(number.to_string())).unwrap();
    }
    tokio::time::sleep(Duration::from_millis(900)).await;
    for (number, task) in running.into_iter().enumerate() {
        assert_eq!(task.is_finished(), number % 3 == 0, "{number}");
        if number % 3 == 0 {
            assert_eq!(soon(task).await.unwrap().0, FileState::Lost);
        } else {
            task.abort();
        }
    }
}

/// Lists the kernel's watches of this process's inotify descriptors.
#[cfg(target_os = "linux")]
fn kernel_watches(directory: &Directory) -> usize {
    use std::os::unix::fs::MetadataExt;
    let inode = format!("ino:{:x} ", fs::metadata(directory.path()).unwrap().ino());
    fs::read_dir("/proc/self/fdinfo")
        .unwrap()
        .filter_map(|entry| fs::read_to_string(entry.unwrap().path()).ok())
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .filter(|line| line.starts_with("inotify") && line.contains(&inode))
        .count()
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_watch_that_is_dropped_takes_its_place_in_the_kernel_back() {
    let home = Directory::new();
    let watcher = PathWatcher::shared();
    let (first, one) = watched(&watcher, &home.path().join("1")).await;
    let (second, two) = watched(&watcher, &home.path().join("2")).await;
    // One for the directory that both are in.
    assert_eq!(kernel_watches(&home), 1);
    drop((first, one));
    assert_eq!(kernel_watches(&home), 1);
    drop((second, two));
    assert_eq!(kernel_watches(&home), 0);
}
