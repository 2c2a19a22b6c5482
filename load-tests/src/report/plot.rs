//! Line plots as SVG: small, and legible without anything loaded from elsewhere.

mod scale;

use std::fmt::Write as _;

pub use self::scale::{Unit, X, Y, quantile};
use self::scale::{quantile_ticks, ticks};

/// The picture's size, and the room around the lines for what is written there.
const WIDTH: f64 = 880.0;
const HEIGHT: f64 = 280.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 40.0;
/// Told apart by the colour-blind too (Okabe and Ito, Color Universal Design, 2008); then dashed.
const COLOURS: [&str; 7] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#444444"];

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// What it is called in the legend.
    pub name: String,
    /// From left to right.
    pub points: Vec<(f64, f64)>,
}

/// A plot.
#[derive(Clone, Debug)]
pub struct Plot {
    /// What is shown.
    pub title: String,
    /// How to read it.
    pub hint: &'static str,
    /// What goes to the right.
    pub x: X,
    /// How values go up.
    pub y: Y,
    /// What the values are.
    pub unit: Unit,
    /// The lines; those without points are left out.
    pub lines: Vec<Line>,
}

impl Plot {
    /// A `<section>` with heading, picture and legend.
    pub fn section(&self) -> String {
        let title = escape(&self.title);
        let lines: Vec<_> = self.lines.iter().filter(|line| !line.points.is_empty()).collect();
        let body = match &*lines {
            [] => "<p class=\"empty\">Nothing was measured.</p>\n".to_owned(),
            lines => self.picture(lines) + &self.legend(lines),
        };
        format!(
            "<section>\n<h2>{title}</h2>\n<p class=\"hint\">{}</p>\n{body}</section>\n",
            escape(self.hint)
        )
    }

    fn picture(&self, lines: &[&Line]) -> String {
        let frame = Frame::new(self, lines);
        let mut svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n",
            escape(&self.title)
        );
        frame.write_grid(self, &mut svg);
        // The first ones on top: they are what is looked at when lines meet.
        for (number, line) in lines.iter().enumerate().rev() {
            frame.write_line(line, style(number), &mut svg);
        }
        svg + "</svg>\n"
    }

    /// The names, and how high each line goes.
    fn legend(&self, lines: &[&Line]) -> String {
        let mut html = "<ul class=\"legend\">\n".to_owned();
        for (number, line) in lines.iter().enumerate() {
            let (colour, dash) = style(number);
            let highest = line.points.iter().map(|(_, y)| *y).fold(f64::MIN, f64::max);
            let (name, highest) = (escape(&line.name), self.unit.write(highest));
            put(
                &mut html,
                format_args!(
                    "<li><svg viewBox=\"0 0 24 8\"><path d=\"M0 4H24\" stroke=\"{colour}\"{dash}/></svg>{name} <small>(highest {highest})</small></li>\n"
                ),
            );
        }
        html + "</ul>\n"
    }
}

/// Where points go.
struct Frame {
    x: (f64, f64),
    y: (f64, f64),
    scale: Y,
}

impl Frame {
    fn new(plot: &Plot, lines: &[&Line]) -> Self {
        let xs = || lines.iter().flat_map(|line| &line.points).map(|(x, _)| *x);
        let ys = || lines.iter().flat_map(|line| &line.points).map(|(_, y)| *y);
        let (left, right) = match plot.x {
            X::Seconds(end) => (0.0, xs().fold(end.max(1.0), f64::max)),
            X::Quantiles => (0.0, scale::quantile(1.0)),
        };
        let y = plot.y.bounds(ys());
        Self { x: (left, right), y, scale: plot.y }
    }

    fn x(&self, x: f64) -> f64 {
        LEFT + (x - self.x.0) / (self.x.1 - self.x.0) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, y: f64) -> f64 {
        let (bottom, top) = (self.scale.height(self.y.0), self.scale.height(self.y.1));
        let share = (self.scale.height(y.max(self.y.0)) - bottom) / (top - bottom);
        HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
    }

    fn write_grid(&self, plot: &Plot, svg: &mut String) {
        for value in plot.y.ticks(self.y) {
            let (y, end, label) = (self.y(value), WIDTH - RIGHT, plot.unit.write(value));
            put(svg, format_args!("<path class=\"grid\" d=\"M{LEFT} {y:.1}H{end}\"/>"));
            put(
                svg,
                format_args!(
                    "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>\n",
                    LEFT - 8.0,
                    y + 4.0
                ),
            );
        }
        let (marks, name) = match plot.x {
            X::Seconds(_) => {
                (ticks(0.0, self.x.1).map(|x| (x, format!("{x}"))).collect(), "seconds")
            }
            X::Quantiles => (quantile_ticks(), "of all, this share was faster"),
        };
        for (value, label) in marks {
            let (x, bottom) = (self.x(value), HEIGHT - BOTTOM);
            put(svg, format_args!("<path class=\"grid\" d=\"M{x:.1} {TOP}V{bottom}\"/>"));
            put(
                svg,
                format_args!(
                    "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>\n",
                    bottom + 16.0
                ),
            );
        }
        let (middle, below) = ((LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 6.0);
        put(
            svg,
            format_args!(
                "<text x=\"{middle}\" y=\"{below}\" text-anchor=\"middle\">{name}</text>\n"
            ),
        );
    }

    fn write_line(&self, line: &Line, (colour, dash): (&str, &str), svg: &mut String) {
        let mut path = String::new();
        for (number, (x, y)) in line.points.iter().enumerate() {
            let step = if number == 0 { 'M' } else { 'L' };
            put(&mut path, format_args!("{step}{:.1} {:.1}", self.x(*x), self.y(*y)));
        }
        if let [(x, y)] = *line.points {
            // A line of one point cannot be seen.
            let (x, y) = (self.x(x), self.y(y));
            put(
                svg,
                format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>"),
            );
        }
        let name = escape(&line.name);
        put(
            svg,
            format_args!(
                "<path class=\"line\" d=\"{path}\" stroke=\"{colour}\"{dash}><title>{name}</title></path>\n"
            ),
        );
    }
}

fn style(number: usize) -> (&'static str, &'static str) {
    let dashes = ["", " stroke-dasharray=\"6 3\"", " stroke-dasharray=\"2 2\""];
    (COLOURS[number % COLOURS.len()], dashes[(number / COLOURS.len()) % dashes.len()])
}

/// Text that stays text in HTML and SVG.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn put(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).expect("a String takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(lines: Vec<Line>) -> Plot {
        let (x, y, unit) = (X::Seconds(1.0), Y::Linear, Unit::Milliseconds);
        Plot { title: "Latency of <x>".to_owned(), hint: "", x, y, unit, lines }
    }

    fn line(points: &[(f64, f64)]) -> Line {
        Line { name: "p99".to_owned(), points: points.to_vec() }
    }

    #[test]
    fn the_highest_value_is_inside_the_picture() {
        for y in [Y::Linear, Y::Logarithmic] {
            let lines = [line(&[(0.0, 0.3), (10.0, 870.0)])];
            let frame = Frame::new(&Plot { y, ..plot(Vec::new()) }, &lines.each_ref());
            assert_eq!((LEFT, WIDTH - RIGHT), (frame.x(0.0), frame.x(10.0)));
            assert!((TOP..HEIGHT - BOTTOM).contains(&frame.y(870.0)), "{y:?}: {}", frame.y(870.0));
            assert!(frame.y(0.3) <= HEIGHT - BOTTOM);
        }
    }

    #[test]
    fn a_line_is_drawn_and_named() {
        let section = plot(vec![line(&[(1.0, 2.0), (2.0, 3.0)]), line(&[])]).section();
        assert_eq!(1, section.matches("class=\"line\"").count(), "{section}");
        for part in ["Latency of &lt;x&gt;", "highest 3.0 ms", "seconds"] {
            assert!(section.contains(part), "{part} is missing in {section}");
        }
    }

    #[test]
    fn nothing_is_said_to_be_nothing() {
        let section = plot(Vec::new()).section();
        assert!(section.contains("Nothing was measured") && !section.contains("<svg"), "{section}");
    }

    #[test]
    fn flat_and_single_values_are_drawn_without_a_division_by_nothing() {
        for y in [Y::Linear, Y::Logarithmic] {
            for points in [&[(0.0, 0.0)][..], &[(1.0, 5.0), (2.0, 5.0)], &[(0.0, 0.0), (1.0, 0.0)]]
            {
                let section = Plot { y, ..plot(vec![line(points)]) }.section();
                assert!(!section.contains("NaN") && !section.contains("inf"), "{section}");
            }
        }
    }
}
