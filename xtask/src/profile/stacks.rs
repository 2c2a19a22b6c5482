//! Stacks as perf prints them: folded, counted by function.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt::Write as _,
    io::BufRead,
};

use anyhow::Result;

/// How often each stack was seen; a stack is its functions, outermost first.
#[derive(Debug, Default, PartialEq)]
pub struct Stacks(pub BTreeMap<Vec<String>, u64>);

impl Stacks {
    /// Reads what `perf script -F comm,ip,sym` prints: a line with the thread's name, then an indented line for
    /// each function, innermost first, then an empty one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(script: impl BufRead) -> Result<Self> {
        let (mut stacks, mut stack) = (Self::default(), Vec::new());
        let mut thread = String::new();
        for line in script.split(b'\n') {
            let line = line?;
            let line = String::from_utf8_lossy(&line);
            if line.trim().is_empty() {
                stacks.add(&thread, std::mem::take(&mut stack));
            } else if line.starts_with(char::is_whitespace) {
                let symbol = line.trim().split_once(' ').map_or("[unknown]", |(_, symbol)| symbol);
                stack.push(function(symbol));
            } else {
                thread = group(line.trim());
            }
        }
        stacks.add(&thread, stack);
        Ok(stacks)
    }

    fn add(&mut self, thread: &str, mut stack: Vec<String>) {
        if !stack.is_empty() {
            stack.push(thread.to_owned());
            stack.reverse();
            *self.0.entry(stack).or_default() += 1;
        }
    }

    /// How many samples.
    pub fn samples(&self) -> u64 {
        self.0.values().sum()
    }

    /// A line a stack, as other tools for flame graphs read it.
    pub fn folded(&self) -> String {
        self.0.iter().fold(String::new(), |mut text, (stack, count)| {
            writeln!(text, "{} {count}", stack.join(";")).expect("there is memory");
            text
        })
    }

    /// The functions in which most samples were taken, and those on most stacks.
    pub fn top(&self, limit: usize) -> String {
        let (mut own, mut within) = (HashMap::<&str, u64>::new(), HashMap::<&str, u64>::new());
        for (stack, count) in &self.0 {
            *own.entry(stack.last().map_or("", String::as_str)).or_default() += count;
            let unique: HashSet<_> = stack[1..].iter().map(String::as_str).collect();
            unique.into_iter().for_each(|function| *within.entry(function).or_default() += count);
        }
        let samples = self.samples();
        format!(
            "{samples} samples\n\nin the function itself\n{}\nin it and what it calls\n{}",
            list(own, samples, limit),
            list(within, samples, limit)
        )
    }
}

fn list(counts: HashMap<&str, u64>, samples: u64, limit: usize) -> String {
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
    counts.iter().take(limit).fold(String::new(), |mut text, (name, count)| {
        writeln!(text, "{:>6.2} %  {name}", 100.0 * share(*count, samples))
            .expect("there is memory");
        text
    })
}

/// A part of all samples.
#[expect(clippy::cast_precision_loss, reason = "samples are few")]
pub fn share(count: u64, samples: u64) -> f64 {
    count as f64 / samples.max(1) as f64
}

/// A function by its name in the source, without the hash that the compiler adds.
fn function(symbol: &str) -> String {
    let plain = symbol.split("+0x").next().unwrap_or(symbol);
    format!("{:#}", rustc_demangle::demangle(plain)).replace(';', ":")
}

/// Threads of one pool are one: what tells them apart are numbers at the end.
fn group(thread: &str) -> String {
    thread.trim_end_matches(|c: char| c.is_ascii_digit() || "-#_ ".contains(c)).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "tokio-rt-3 \n\
        \t    7f00 _ZN3std2io4Read4read17h0123456789abcdefE\n\
        \t    7f01 main\n\n\
        tokio-rt-4 \n\t  7f02 std::io::Read::read\n\t  7f01 main\n\n\
        sqlx \n\t 7f03 [unknown]\n\n";

    #[test]
    fn stacks_are_counted_outermost_first() {
        let stacks = Stacks::read(SCRIPT.as_bytes()).expect("read");
        assert_eq!(stacks.samples(), 3);
        let expected = "sqlx;[unknown] 1\ntokio-rt;main;std::io::Read::read 2\n";
        assert_eq!(stacks.folded(), expected);
    }

    #[test]
    fn the_top_tells_a_function_from_what_it_calls() {
        let top = Stacks::read(SCRIPT.as_bytes()).expect("read").top(1);
        let lines: Vec<_> = top.lines().collect();
        assert_eq!(lines[3], " 66.67 %  std::io::Read::read");
        assert!(lines[6].starts_with(" 66.67 %"), "{top}");
    }
}
