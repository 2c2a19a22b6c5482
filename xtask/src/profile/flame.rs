//! A flame graph (Brendan Gregg, "The Flame Graph", CACM 59(6), 2016): a box a function, as wide as the samples it
//! was on, on top of its caller; the whole name and its share where the pointer rests.
//!
//! Drawn here, in as few lines as this, because the library that draws better ones (inferno) is CDDL-1.0, which
//! `deny.toml` does not allow: one developer's tool is no reason for an exception. `stacks.folded` is what it and
//! other tools (speedscope, flamegraph.pl) read, for zooming and searching.

use std::{collections::BTreeMap, fmt::Write as _};

use super::stacks::{Stacks, share};

const WIDTH: f64 = 1600.0;
const ROW: f64 = 17.0;
/// Of a letter; what does not fit is cut.
const LETTER: f64 = 6.6;
/// Narrower boxes are left out.
const MIN_WIDTH: f64 = 0.4;

/// A function on a stack, with what it calls.
#[derive(Default)]
struct Frame<'s> {
    samples: u64,
    calls: BTreeMap<&'s str, Frame<'s>>,
}

/// Draws them.
pub fn svg(stacks: &Stacks) -> String {
    let (mut root, mut depth) = (Frame::default(), 0);
    for (stack, count) in &stacks.0 {
        root.samples += count;
        depth = depth.max(stack.len() + 1);
        let mut frame = &mut root;
        for function in stack {
            frame = frame.calls.entry(function).or_default();
            frame.samples += count;
        }
    }
    let height = ROW * f64::from(u32::try_from(depth).unwrap_or(u32::MAX));
    let mut boxes = String::new();
    draw(&mut boxes, "all", &root, (0.0, height - ROW), root.samples);
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' font-family='monospace' \
         font-size='11'><rect width='100%' height='100%' fill='white'/>\n{boxes}</svg>\n"
    )
}

fn draw(svg: &mut String, name: &str, frame: &Frame<'_>, (left, top): (f64, f64), all: u64) {
    let width = WIDTH * share(frame.samples, all);
    if width < MIN_WIDTH {
        return;
    }
    let (percent, fill) = (100.0 * share(frame.samples, all), colour(name));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few hundred")]
    let short: String = name.chars().take(((width - 4.0) / LETTER).max(0.0) as usize).collect();
    let (name, short) = (escape(name), escape(&short));
    writeln!(
        svg,
        "<g><title>{name} ({} samples, {percent:.2} %)</title><rect x='{left:.1}' y='{top:.1}' width='{width:.1}' \
         height='16' fill='{fill}'/><text x='{:.1}' y='{:.1}'>{short}</text></g>",
        frame.samples,
        left + 2.0,
        top + 12.0
    )
    .expect("there is memory");
    let mut left = left;
    for (name, called) in &frame.calls {
        draw(svg, name, called, (left, top - ROW), all);
        left += WIDTH * share(called.samples, all);
    }
}

/// Warm, and the same for the same name.
fn colour(name: &str) -> String {
    let hash = name.bytes().fold(7_u32, |hash, byte| hash.wrapping_mul(31) ^ u32::from(byte));
    format!("hsl({},{}%,{}%)", 10 + hash % 45, 70 + hash / 64 % 20, 62 + hash / 2048 % 12)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_as_wide_as_its_samples() {
        let stack = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let stacks = [(stack(&["main", "f<T>"]), 3), (stack(&["main"]), 1)].into();
        let svg = svg(&Stacks(stacks));
        assert!(svg.contains("<title>f&lt;T&gt; (3 samples, 75.00 %)</title>"), "{svg}");
        assert!(svg.contains("width='1200.0'") && svg.contains("0 0 1600 51"), "{svg}");
    }
}
