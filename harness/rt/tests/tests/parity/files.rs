//! Files and directories.

use super::{
    super::{Log, kind as said},
    disk::{self, File, OpenOptions},
};

fn all() -> OpenOptions {
    OpenOptions::new().read(true).write(true)
}

fn content(path: &str) -> String {
    said(disk::read(path))
}

/// A directory `d` with a file `f` in it that says `text`, and an empty one `e`.
fn some() {
    disk::create_dir_all("d").unwrap();
    disk::create_dir_all("e").unwrap();
    disk::write("d/f", "text").unwrap();
}

pub async fn what_is_written_is_read() -> Log {
    let file = File::create("f").unwrap();
    file.write_all_at(b"hello", 0).unwrap();
    file.write_all_at(b"J", 0).unwrap();
    let mut buffer = [0; 8];
    vec![content("f"), said(file.len()), said(file.read_at(&mut buffer, 2)), format!("{buffer:?}")]
}

pub async fn reading_stops_at_the_end() -> Log {
    disk::write("f", "abc").unwrap();
    let file = File::open("f").unwrap();
    vec![
        said(file.read_at(&mut [0; 8], 0)),
        said(file.read_at(&mut [0; 8], 3)),
        said(file.read_at(&mut [0; 8], 100)),
        said(file.read_at(&mut [], 0)),
        said(file.read_exact_at(&mut [0; 4], 0)),
    ]
}

pub async fn a_gap_reads_as_zeros() -> Log {
    let file = File::create("f").unwrap();
    file.write_all_at(b"x", 5).unwrap();
    vec![content("f"), said(file.len())]
}

pub async fn a_gap_of_many_pages() -> Log {
    let file = File::create("f").unwrap();
    file.write_all_at(b"end", 100_000).unwrap();
    let mut middle = [1; 9000];
    file.read_exact_at(&mut middle, 50_000).unwrap();
    vec![
        said(file.len()),
        format!("{}", middle.iter().all(|byte| *byte == 0)),
        said(file.read_at(&mut [0; 8], 99_999)),
    ]
}

pub async fn writing_nothing_beyond_the_end_leaves_the_length() -> Log {
    let file = File::create("f").unwrap();
    file.write_all_at(b"", 50).unwrap();
    vec![said(file.len())]
}

pub async fn appending() -> Log {
    let file = File::create("f").unwrap();
    for word in ["one", "two", "three"] {
        let end = file.len().unwrap();
        file.write_all_at(word.as_bytes(), end).unwrap();
    }
    vec![content("f")]
}

pub async fn two_handles_are_one_file() -> Log {
    let first = File::create("f").unwrap();
    let second = all().open("f").unwrap();
    first.write_all_at(b"abcdef", 0).unwrap();
    second.set_len(3).unwrap();
    second.write_all_at(b"X", 1).unwrap();
    vec![said(first.len()), content("f")]
}

pub async fn cutting_off_and_growing_again_leaves_zeros() -> Log {
    let file = File::create("f").unwrap();
    file.write_all_at(b"abcdef", 0).unwrap();
    file.set_len(2).unwrap();
    file.set_len(5).unwrap();
    vec![content("f")]
}

pub async fn cutting_off_within_pages() -> Log {
    let file = File::create("f").unwrap();
    file.write_all_at(&[7; 10_000], 0).unwrap();
    file.set_len(5_000).unwrap();
    file.write_all_at(&[8; 10], 9_000).unwrap();
    let mut all = vec![1; 9_010];
    file.read_exact_at(&mut all, 0).unwrap();
    let count = |byte| all.iter().filter(|b| **b == byte).count();
    vec![format!("{} {} {}", count(7), count(0), count(8)), said(file.len())]
}

pub async fn setting_the_length_without_the_right() -> Log {
    disk::write("f", "abc").unwrap();
    let file = File::open("f").unwrap();
    vec![said(file.set_len(1)), content("f")]
}

pub async fn creating_empties() -> Log {
    disk::write("f", "abc").unwrap();
    let old = all().open("f").unwrap();
    let _new = File::create("f").unwrap();
    vec![content("f"), said(old.len())]
}

pub async fn opening_what_is_not_there() -> Log {
    vec![
        said(File::open("f").map(drop)),
        said(all().open("f").map(drop)),
        said(File::open("d/f").map(drop)),
        said(all().create(true).open("d/f").map(drop)),
        said(disk::read("f")),
    ]
}

pub async fn creating_what_must_not_be_there() -> Log {
    let new = all().create_new(true);
    let log = vec![said(new.open("f").map(drop)), said(new.open("f").map(drop))];
    disk::create_dir_all("d").unwrap();
    [log, vec![said(new.open("d").map(drop))]].concat()
}

pub async fn options_that_make_no_sense() -> Log {
    disk::write("f", "abc").unwrap();
    let read = OpenOptions::new().read(true);
    [
        OpenOptions::new(),
        read.create(true),
        read.truncate(true),
        read.create_new(true),
        OpenOptions::new().create(true),
    ]
    .map(|options| said(options.open("f").map(drop)))
    .into()
}

pub async fn opening_with_truncate_and_without_create() -> Log {
    let options = all().truncate(true);
    let mut log = vec![said(options.open("f").map(drop))];
    disk::write("f", "abc").unwrap();
    log.push(said(options.open("f").map(drop)));
    log.push(content("f"));
    log
}

pub async fn a_file_is_no_directory() -> Log {
    some();
    vec![
        said(File::open("d/f/g").map(drop)),
        said(all().create(true).open("d/f/g").map(drop)),
        said(disk::create_dir_all("d/f")),
        said(disk::create_dir_all("d/f/g")),
        said(disk::read_dir("d/f")),
        said(disk::remove_file("d/f/g")),
        said(disk::exists("d/f/g")),
    ]
}

pub async fn a_directory_is_no_file() -> Log {
    some();
    vec![said(all().open("d").map(drop)), said(disk::remove_file("d")), said(disk::write("d", "x"))]
}

pub async fn names_are_listed_in_order() -> Log {
    some();
    for name in ["z", "a", "m"] {
        disk::write(name, "").unwrap();
    }
    vec![
        said(disk::read_dir(".")),
        said(disk::read_dir("d")),
        said(disk::read_dir("e")),
        said(disk::read_dir("none")),
    ]
}

pub async fn directories_are_created_above_too() -> Log {
    vec![
        said(disk::create_dir_all("a/b/c")),
        said(disk::create_dir_all("a/b/c")),
        said(disk::create_dir_all("a/b/d")),
        said(disk::read_dir("a/b")),
        said(disk::exists("a/b/c")),
        said(disk::exists("a/x")),
    ]
}

pub async fn renaming_moves() -> Log {
    some();
    vec![said(disk::rename("d/f", "e/g")), content("e/g"), content("d/f"), said(disk::read_dir("d"))]
}

pub async fn renaming_replaces_a_file() -> Log {
    some();
    disk::write("e/g", "old").unwrap();
    let old = File::open("e/g").unwrap();
    let mut kept = [0; 3];
    let log = vec![said(disk::rename("d/f", "e/g")), content("e/g")];
    old.read_exact_at(&mut kept, 0).unwrap();
    [log, vec![format!("{kept:?}")]].concat()
}

pub async fn renaming_keeps_what_is_open() -> Log {
    some();
    let file = all().open("d/f").unwrap();
    disk::rename("d/f", "e/g").unwrap();
    file.write_all_at(b"T", 0).unwrap();
    disk::write("d/f", "another").unwrap();
    vec![content("e/g"), content("d/f")]
}

pub async fn renaming_to_itself() -> Log {
    some();
    vec![said(disk::rename("d/f", "d/f")), content("d/f"), said(disk::rename("d", "d"))]
}

pub async fn renaming_what_is_not_there() -> Log {
    some();
    vec![
        said(disk::rename("d/x", "d/y")),
        said(disk::rename("d/f", "x/f")),
        said(disk::rename("x/f", "d/f")),
        content("d/f"),
    ]
}

pub async fn renaming_a_directory() -> Log {
    some();
    vec![said(disk::rename("d", "n")), content("n/f"), said(disk::exists("d"))]
}

pub async fn renaming_a_directory_over_others() -> Log {
    some();
    disk::create_dir_all("full/x").unwrap();
    vec![
        said(disk::rename("d", "full")),
        said(disk::rename("d", "e")),
        content("e/f"),
        said(disk::exists("d")),
    ]
}

pub async fn renaming_across_kinds() -> Log {
    some();
    disk::write("g", "").unwrap();
    vec![said(disk::rename("g", "e")), said(disk::rename("e", "g")), said(disk::rename("d/f", "d"))]
}

pub async fn renaming_into_itself() -> Log {
    some();
    vec![said(disk::rename("d", "d/x")), said(disk::rename("d", "d/x/y")), content("d/f")]
}

pub async fn removing() -> Log {
    some();
    vec![
        said(disk::remove_file("d/f")),
        said(disk::remove_file("d/f")),
        said(disk::read_dir("d")),
        content("d/f"),
    ]
}

pub async fn a_removed_file_is_there_for_those_who_have_it_open() -> Log {
    some();
    let file = all().open("d/f").unwrap();
    disk::remove_file("d/f").unwrap();
    file.write_all_at(b"N", 0).unwrap();
    let mut kept = [0; 4];
    file.read_exact_at(&mut kept, 0).unwrap();
    disk::write("d/f", "new").unwrap();
    vec![format!("{kept:?}"), said(file.len()), said(file.sync_data()), content("d/f")]
}

pub async fn syncing() -> Log {
    some();
    let read = File::open("d/f").unwrap();
    let write = all().open("d/f").unwrap();
    vec![
        said(read.sync_all()),
        said(write.sync_data()),
        said(disk::sync_dir("d")),
        said(disk::sync_dir(".")),
        said(disk::sync_dir("none")),
        said(disk::sync_dir("d/f")),
    ]
}

pub async fn reading_and_writing_without_the_right() -> Log {
    disk::write("f", "abc").unwrap();
    let read = File::open("f").unwrap();
    let write = OpenOptions::new().write(true).open("f").unwrap();
    // The numbers differ: a real kernel says EBADF.
    vec![
        format!("{}", read.write_all_at(b"x", 0).is_err()),
        format!("{}", write.read_at(&mut [0; 8], 0).is_err()),
        said(write.write_all_at(b"x", 0)),
        content("f"),
    ]
}

pub async fn paths_with_dots() -> Log {
    some();
    vec![content("./d/./f"), content("d/../d/f"), said(disk::exists("d/..")), said(disk::read_dir("d/../e"))]
}

pub async fn paths_through_what_is_not_there() -> Log {
    some();
    vec![content("none/../d/f"), content("d/f/../f"), said(disk::rename("d/f", "none/../g"))]
}

pub async fn a_file_with_a_slash_at_its_end() -> Log {
    some();
    vec![content("d/f/"), said(disk::read_dir("d/")), said(all().create(true).open("new/").map(drop))]
}

pub async fn the_empty_path() -> Log {
    some();
    vec![said(File::open("").map(drop)), said(disk::rename("d/f", "")), said(disk::remove_file(""))]
}
