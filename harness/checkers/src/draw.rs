//! Explanations as pictures: time from left to right, a lane for each process, what broke in front of what was around it, faults as bands.
//!
//! The pictures are SVG 1.1 texts without scripts, fonts or anything from outside, so that a browser, a report and a document
//! show them alike. They can be read without colours: what is unknown has a dashed edge, what stands around is faint, and
//! each arrow has its name.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    time::Duration,
};

use crate::{
    explain::Violation,
    history::Moment,
    transactions::{Anomaly, LongFork, Order, Status},
};

/// Something that lasted, shown behind the lanes: a fault. Drawn only where operations have times.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Band {
    /// What it is called.
    pub label: String,
    /// When it began.
    pub from: Duration,
    /// When it ended; to the right edge if it did not.
    pub to: Option<Duration>,
}

const LANE: f64 = 46.0;
const BOX: f64 = 26.0;
const LINE: f64 = 18.0;
const LEFT: f64 = 110.0;
const MARGIN: f64 = 20.0;
/// The width of a character of the fixed-width font at 12 px.
const CHARACTER: f64 = 7.3;
/// The longest text in a box, in characters.
const LONGEST: usize = 48;

/// Why a history is illegal: of several anomalies the first, which is the worst. Nothing of a property, which is told in a sentence.
#[cfg(feature = "formats")]
pub fn explanation(explanation: &crate::judge::Explanation, bands: &[Band]) -> Option<String> {
    use crate::judge::Explanation;
    match explanation {
        Explanation::Object(wrong) => Some(violation(wrong, bands)),
        Explanation::Transactions(anomalies) => Some(anomaly(anomalies.first()?, bands)),
        Explanation::LongFork(fork) => Some(long_fork(fork)),
        Explanation::Property(_) => None,
    }
}

/// Calls on an object that no order explains.
pub fn violation(violation: &Violation, bands: &[Band]) -> String {
    let mut chart = Chart::new(&format!(
        "{}{} is wrong",
        violation.model,
        violation.key.as_ref().map_or_else(String::new, |key| format!(" {key}"))
    ));
    let shown = violation.operations.iter().map(|shown| (shown, false));
    for (shown, faint) in shown.chain(violation.around.iter().map(|shown| (shown, true))) {
        chart.bars.push(Bar {
            lane: format!("process {}", shown.process),
            name: None,
            text: vec![shown.what.clone()],
            from: shown.invoked,
            to: shown.returned,
            faint,
            dashed: shown.returned.is_none(),
        });
    }
    chart.notes.push(violation.summary.clone());
    for start in &violation.starts {
        chart.notes.push(format!("It starts from {}.", start.state));
        // The longest order tells most; the others differ in their ends.
        if let Some(partial) = start.partials.first() {
            let order: Vec<&str> = partial.order.iter().map(|at| &*violation.operations[*at].what).collect();
            let order = if order.is_empty() { "nothing".to_owned() } else { order.join(", then ") };
            chart.notes.push(format!("The longest order: {order}; it holds {} then.", partial.state));
            for refused in &partial.refused {
                let what = &violation.operations[refused.operation].what;
                chart.notes.push(format!("Next cannot be {what}: {}.", refused.why));
            }
        }
    }
    chart.svg(bands)
}

/// What is wrong with transactions.
pub fn anomaly(anomaly: &Anomaly, bands: &[Band]) -> String {
    let mut chart = Chart::new(&anomaly.kind.to_string());
    let timed = anomaly.transactions.iter().all(|transaction| transaction.start.is_some());
    for (number, transaction) in anomaly.transactions.iter().enumerate() {
        // Where no times are known, one stands after the other.
        let number = number as u64;
        let (from, to) = match transaction.start.filter(|_| timed) {
            Some(start) => (start, transaction.end),
            None => (2 * number, Some(2 * number + 1)),
        };
        let mut text = vec![transaction.transaction.to_string()];
        text.extend(transaction.operations.iter().cloned());
        chart.bars.push(Bar {
            lane: format!("session {}", transaction.session),
            name: Some(transaction.transaction.to_string()),
            text,
            from: Moment::at(from),
            to: to.map(Moment::at),
            faint: false,
            dashed: transaction.status != Status::Committed,
        });
    }
    for edge in &anomaly.cycle {
        chart.arrows.push(Arrow { from: edge.from.to_string(), to: edge.to.to_string(), order: edge.order });
    }
    chart.notes.push(anomaly.about.clone());
    chart
        .notes
        .extend(anomaly.starts_from.iter().map(|state| format!("{} = {} at first.", state.key, state.state)));
    chart.notes.extend(
        anomaly
            .cycle
            .iter()
            .map(|edge| format!("{} -{}-> {}: {}.", edge.from, edge.order, edge.to, edge.why)),
    );
    chart.svg(bands)
}

/// Two readers that saw two writes in opposite orders.
pub fn long_fork(fork: &LongFork) -> String {
    let mut chart = Chart::new("long fork");
    for (number, (reader, saw, missed)) in [
        (fork.first, &fork.only_first, &fork.only_second),
        (fork.second, &fork.only_second, &fork.only_first),
    ]
    .into_iter()
    .enumerate()
    {
        let at = 2 * number as u64;
        chart.bars.push(Bar {
            lane: reader.to_string(),
            name: None,
            text: vec![format!("saw {saw}, not {missed}")],
            from: Moment::at(at),
            to: Some(Moment::at(at + 1)),
            faint: false,
            dashed: false,
        });
    }
    chart.notes.push(fork.about.clone());
    chart.svg(&[])
}

struct Bar {
    lane: String,
    /// What arrows call it.
    name: Option<String>,
    text: Vec<String>,
    from: Moment,
    to: Option<Moment>,
    faint: bool,
    dashed: bool,
}

struct Arrow {
    from: String,
    to: String,
    order: Order,
}

struct Chart {
    title: String,
    bars: Vec<Bar>,
    arrows: Vec<Arrow>,
    notes: Vec<String>,
}

/// Where a bar is drawn.
#[derive(Clone, Copy)]
struct Placed {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

impl Chart {
    fn new(title: &str) -> Self {
        Chart { title: title.to_owned(), bars: Vec::new(), arrows: Vec::new(), notes: Vec::new() }
    }

    fn svg(&self, bands: &[Band]) -> String {
        let axis = Axis::of(&self.bars);
        let mut lanes: BTreeMap<&str, f64> = BTreeMap::new();
        let mut y = MARGIN + 2.0 * LINE;
        let mut names: Vec<&str> = self.bars.iter().map(|bar| &*bar.lane).collect();
        names.sort_by_key(|name| {
            let number =
                name.rsplit(' ').next().and_then(|number| number.trim_start_matches('T').parse::<u64>().ok());
            (number, *name)
        });
        names.dedup();
        for name in &names {
            let lines =
                self.bars.iter().filter(|bar| bar.lane == *name).map(|bar| bar.text.len()).max().unwrap_or(1);
            lanes.insert(name, y);
            y += LANE + (lines - 1) as f64 * LINE;
        }
        let bottom = y;
        let wrapped: Vec<String> = self.notes.iter().flat_map(|note| wrap(note, 110)).collect();
        let widest = wrapped.iter().map(|line| line.chars().count()).max().unwrap_or(0) as f64 * CHARACTER;
        let width = (LEFT + axis.width + MARGIN).max(widest + 2.0 * MARGIN);
        let height = bottom + LINE * (wrapped.len() as f64 + 1.0) + MARGIN;

        let mut out = String::new();
        // Writing into a text does not fail.
        let _ = write!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" \
             font-family=\"ui-monospace, Menlo, Consolas, monospace\" font-size=\"12\" role=\"img\">\n\
             <title>{title}</title>\n\
             <defs><marker id=\"head\" markerWidth=\"8\" markerHeight=\"8\" refX=\"7\" refY=\"3.5\" orient=\"auto\"><path d=\"M0,0 L7,3.5 L0,7 z\" fill=\"#b3261e\"/></marker></defs>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
             <text x=\"{MARGIN}\" y=\"{}\" font-size=\"15\" font-weight=\"bold\" fill=\"#1f1f1f\">{title}</text>\n",
            MARGIN + 8.0,
            title = escaped(&self.title),
        );
        let top = MARGIN + 1.4 * LINE;
        for band in bands {
            let Some((from, to)) = axis.band(band) else { continue };
            let _ = writeln!(
                out,
                "<rect x=\"{:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"#f6d9a8\" fill-opacity=\"0.55\"/>\n\
                 <text x=\"{:.1}\" y=\"{:.1}\" font-size=\"10\" fill=\"#7a4b00\">{}</text>",
                LEFT + from,
                (to - from).max(2.0),
                bottom - top,
                LEFT + from + 3.0,
                bottom - 3.0,
                escaped(&shortened(&band.label)),
            );
        }
        for name in &names {
            let y = lanes[name];
            let _ = writeln!(
                out,
                "<text x=\"{MARGIN}\" y=\"{:.1}\" fill=\"#5f5f5f\">{}</text>\n<line x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{:.1}\" y2=\"{:.1}\" stroke=\"#e3e3e3\"/>",
                y + 17.0,
                escaped(name),
                LEFT + axis.width,
                y + BOX / 2.0,
                y + BOX / 2.0,
            );
        }
        let mut placed: BTreeMap<&str, Placed> = BTreeMap::new();
        // What is faint lies behind.
        for bar in self.bars.iter().filter(|bar| bar.faint).chain(self.bars.iter().filter(|bar| !bar.faint)) {
            let at = axis.place(bar, lanes[&*bar.lane]);
            let (fill, edge, ink) =
                if bar.faint { ("#f4f4f4", "#c9c9c9", "#8a8a8a") } else { ("#fde7e5", "#b3261e", "#1f1f1f") };
            let dash = if bar.dashed { " stroke-dasharray=\"4 3\"" } else { "" };
            let _ = writeln!(
                out,
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"3\" fill=\"{fill}\" stroke=\"{edge}\"{dash}><title>{}</title></rect>",
                at.x,
                at.y,
                at.width,
                at.height,
                escaped(&bar.text.join("\n")),
            );
            for (number, line) in bar.text.iter().enumerate() {
                let _ = writeln!(
                    out,
                    "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{ink}\">{}</text>",
                    at.x + 6.0,
                    at.y + 17.0 + number as f64 * LINE,
                    escaped(&shortened(line)),
                );
            }
            if let Some(name) = &bar.name {
                placed.insert(name, at);
            }
        }
        for arrow in &self.arrows {
            if let (Some(from), Some(to)) = (placed.get(&*arrow.from), placed.get(&*arrow.to)) {
                curve(&mut out, *from, *to, arrow.order);
            }
        }
        for (number, line) in wrapped.iter().enumerate() {
            let _ = writeln!(
                out,
                "<text x=\"{MARGIN}\" y=\"{:.1}\" fill=\"#1f1f1f\">{}</text>",
                bottom + LINE * (number as f64 + 1.0),
                escaped(line),
            );
        }
        out.push_str("</svg>\n");
        out
    }
}

/// An arrow from one box to another, with its name at the middle.
fn curve(out: &mut String, from: Placed, to: Placed, order: Order) {
    let rightward = from.x + from.width / 2.0 <= to.x + to.width / 2.0;
    let (x1, x2) = if rightward { (from.x + from.width, to.x) } else { (from.x, to.x + to.width) };
    let (y1, y2) = (from.y + from.height / 2.0, to.y + to.height / 2.0);
    // The two directions between the same boxes bend apart.
    let bend = if rightward { -28.0 } else { 28.0 };
    let (middle_x, middle_y) = ((x1 + x2) / 2.0, (y1 + y2) / 2.0 + bend);
    let _ = writeln!(
        out,
        "<path d=\"M{x1:.1},{y1:.1} Q{middle_x:.1},{middle_y:.1} {x2:.1},{y2:.1}\" fill=\"none\" stroke=\"#b3261e\" stroke-width=\"1.4\" marker-end=\"url(#head)\"/>\n\
         <text x=\"{middle_x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"11\" font-weight=\"bold\" fill=\"#b3261e\" stroke=\"#ffffff\" stroke-width=\"3\" paint-order=\"stroke\">{order}</text>",
        (y1 + y2) / 2.0 + bend / 2.0 + 4.0,
    );
}

/// Moments in their order, as far apart as what stands between them needs.
struct Axis {
    /// By index of a moment.
    x: BTreeMap<u64, f64>,
    /// The moments whose time is known, by time.
    times: Vec<(Duration, f64)>,
    width: f64,
}

impl Axis {
    fn of(bars: &[Bar]) -> Axis {
        let moments: BTreeSet<u64> =
            bars.iter().flat_map(|bar| [Some(bar.from), bar.to]).flatten().map(|at| at.index).collect();
        let moments: Vec<u64> = moments.into_iter().collect();
        let rank = |at: Moment| moments.partition_point(|index| *index < at.index);
        let mut gaps = vec![26.0; moments.len().max(1)];
        let mut by_end: Vec<&Bar> = bars.iter().collect();
        by_end.sort_by_key(|bar| bar.to.map_or(u64::MAX, |to| to.index));
        for bar in by_end {
            let from = rank(bar.from);
            let to = bar.to.map_or(moments.len(), rank).max(from + 1).min(gaps.len());
            let longest = bar.text.iter().map(|line| shortened(line).chars().count()).max().unwrap_or(0);
            let needed = longest as f64 * CHARACTER + 14.0;
            let there: f64 = gaps[from..to].iter().sum();
            if there < needed {
                gaps[to - 1] += needed - there;
            }
        }
        let mut x = BTreeMap::new();
        let mut at = 0.0;
        for (index, gap) in moments.iter().zip(&gaps) {
            x.insert(*index, at);
            at += gap;
        }
        let known = bars.iter().flat_map(|bar| [Some(bar.from), bar.to]).flatten();
        let mut times: Vec<(Duration, f64)> =
            known.filter_map(|moment| Some((moment.time?, x[&moment.index]))).collect();
        times.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        Axis { x, times, width: at }
    }

    fn place(&self, bar: &Bar, y: f64) -> Placed {
        let from = self.x[&bar.from.index];
        let to = bar.to.map_or(self.width, |to| self.x[&to.index]);
        let height = BOX + (bar.text.len() - 1) as f64 * LINE;
        Placed { x: LEFT + from, y, width: (to - from).max(20.0), height }
    }

    /// From where to where a band is drawn, if any of it falls among what is shown.
    fn band(&self, band: &Band) -> Option<(f64, f64)> {
        let (first, last) = (self.times.first()?, self.times.last()?);
        let ends = band.to.unwrap_or(Duration::MAX);
        if ends < first.0 || band.from > last.0 {
            return None;
        }
        let to = if ends > last.0 { self.width } else { self.at(ends) };
        Some((self.at(band.from), to))
    }

    /// Where a time is, between the moments around it.
    fn at(&self, time: Duration) -> f64 {
        let after = self.times.partition_point(|(at, _)| *at < time);
        match (after.checked_sub(1).map(|before| self.times[before]), self.times.get(after)) {
            (None, _) => 0.0,
            (Some(before), None) => before.1,
            (Some(before), Some(after)) => {
                let whole = (after.0 - before.0).as_secs_f64();
                let part = if whole > 0.0 { (time - before.0).as_secs_f64() / whole } else { 0.0 };
                before.1 + (after.1 - before.1) * part
            }
        }
    }
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    let kept: String = text.chars().take(LONGEST - 1).collect();
    format!("{kept}…")
}

/// Breaks a text into lines of at most so many characters, between words where that can be.
fn wrap(text: &str, most: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut length = 0;
    for word in text.split_whitespace() {
        let long = word.chars().count();
        if length > 0 && length + 1 + long > most {
            lines.push(String::new());
            length = 0;
        }
        let line = lines.last_mut().expect("there is a line from the beginning");
        if length > 0 {
            line.push(' ');
            length += 1;
        }
        line.push_str(word);
        length += long;
    }
    lines
}

/// As XML text. What XML cannot say (control characters) is shown as U+FFFD.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}') => out.push('\u{FFFD}'),
            c => out.push(c),
        }
    }
    out
}
