//! The graph of a workflow as numbers: steps in layers from left to right, each after all it waits for, and curves between
//! them. `parts/graph.html` draws it; on a phone the same steps are a list from top to bottom.

use super::chart::{number, tenth};
use serde::Serialize;
use std::collections::HashMap;

const WIDTH: f64 = 184.0;
const HEIGHT: f64 = 60.0;
const ACROSS: f64 = 56.0;
const DOWN: f64 = 20.0;
const EDGE: f64 = 4.0;

/// A step as the graph is told of it.
#[derive(Clone, Debug)]
pub(super) struct Step<'a> {
    pub name: &'a str,
    pub state: &'a str,
    /// A word below the name: `412 of 10,000`.
    pub detail: String,
    pub needs: &'a [String],
}

/// Boxes and curves, measured.
#[derive(Debug, Serialize)]
pub(super) struct Graph {
    width: f64,
    height: f64,
    nodes: Vec<Node>,
    edges: Vec<Edge>,
}

#[derive(Debug, Serialize)]
struct Node {
    name: String,
    /// The name as far as there is room for it.
    short: String,
    state: String,
    detail: String,
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

#[derive(Debug, Serialize)]
struct Edge {
    path: String,
    /// What is before it is done.
    is_done: bool,
}

impl Graph {
    /// Places `steps`, which are in the order of their definition: whatever a step needs comes before it.
    pub fn of(steps: &[Step<'_>]) -> Self {
        let layers = layers(steps);
        let tallest = layers.iter().map(Vec::len).max().unwrap_or(0);
        let span = |count: usize| number(count) * HEIGHT + number(count.saturating_sub(1)) * DOWN;
        let height = span(tallest) + 2.0 * EDGE;

        let mut places = HashMap::new();
        let mut nodes = Vec::new();
        for (column, layer) in layers.iter().enumerate() {
            let top = (height - span(layer.len())) / 2.0;
            for (row, at) in layer.iter().enumerate() {
                let step = &steps[*at];
                let (x, y) = (EDGE + number(column) * (WIDTH + ACROSS), top + number(row) * (HEIGHT + DOWN));
                places.insert(step.name, (x, y, step.state));
                nodes.push(Node {
                    name: step.name.to_owned(),
                    short: shortened(step.name),
                    state: step.state.to_owned(),
                    detail: step.detail.clone(),
                    x: tenth(x),
                    y: tenth(y),
                    width: WIDTH,
                    height: HEIGHT,
                });
            }
        }

        let ends = steps.iter().flat_map(|step| step.needs.iter().map(move |need| (need.as_str(), step.name)));
        let edges = ends.filter_map(|(need, step)| {
            let ((from_x, from_y, state), (to_x, to_y, _)) = (places.get(need)?, places.get(step)?);
            let (x1, y1, x2, y2) = (from_x + WIDTH, from_y + HEIGHT / 2.0, *to_x, to_y + HEIGHT / 2.0);
            let bend = (x2 - x1) / 2.0;
            let (x1, y1, x2, y2) = (tenth(x1), tenth(y1), tenth(x2), tenth(y2));
            let path = format!("M{x1} {y1}C{} {y1} {} {y2} {x2} {y2}", tenth(x1 + bend), tenth(x2 - bend));
            Some(Edge { path, is_done: *state == "done" })
        });
        let columns = layers.len();
        Self {
            width: number(columns) * WIDTH + number(columns.saturating_sub(1)) * ACROSS + 2.0 * EDGE,
            height,
            edges: edges.collect(),
            nodes,
        }
    }
}

/// Indexes of steps by layer: one after the last of what it needs. Within a layer steps lie near what they need, so that few
/// curves cross.
fn layers(steps: &[Step<'_>]) -> Vec<Vec<usize>> {
    let index: HashMap<&str, usize> = steps.iter().enumerate().map(|(at, step)| (step.name, at)).collect();
    let mut layer = vec![0_usize; steps.len()];
    for (at, step) in steps.iter().enumerate() {
        let before = step.needs.iter().filter_map(|need| index.get(need.as_str())).filter(|need| **need < at);
        layer[at] = before.map(|need| layer[*need] + 1).max().unwrap_or(0);
    }
    let mut layers = vec![Vec::new(); layer.iter().max().map_or(0, |last| last + 1)];
    for (at, layer) in layer.iter().enumerate() {
        layers[*layer].push(at);
    }
    let mut row = vec![0.0_f64; steps.len()];
    for layer in &mut layers {
        let wish = |at: &usize| {
            let needs: Vec<f64> = steps[*at].needs.iter().filter_map(|need| index.get(need.as_str())).map(|n| row[*n]).collect();
            if needs.is_empty() { number(*at) } else { needs.iter().sum::<f64>() / number(needs.len()) }
        };
        layer.sort_by(|a, b| wish(a).total_cmp(&wish(b)).then(a.cmp(b)));
        let middle = number(layer.len().saturating_sub(1)) / 2.0;
        for (place, at) in layer.iter().enumerate() {
            row[*at] = number(place) - middle;
        }
    }
    layers
}

fn shortened(name: &str) -> String {
    const ROOM: usize = 20;
    if name.chars().count() <= ROOM { name.to_owned() } else { name.chars().take(ROOM - 1).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_step_lies_right_of_all_it_waits_for() {
        let waits = [
            needs(&[]),
            needs(&["validate"]),
            needs(&["validate"]),
            needs(&["scan", "images"]),
            needs(&["validate", "approval"]),
        ];
        let names = ["validate", "scan", "images", "approval", "release"];
        let steps: Vec<Step<'_>> =
            names.iter().zip(&waits).map(|(name, needs)| Step { name, state: "done", detail: String::new(), needs }).collect();
        let graph = Graph::of(&steps);
        let x = |name: &str| graph.nodes.iter().find(|node| node.name == name).map(|node| node.x).expect("a node");
        assert!(x("validate") < x("scan") && x("scan") < x("approval") && x("approval") < x("release"));
        assert_eq!(x("scan"), x("images"), "side by side");
        assert_eq!((graph.edges.len(), graph.nodes.len()), (6, 5));
        assert!(graph.nodes.iter().all(|node| node.x + node.width <= graph.width && node.y + node.height <= graph.height));
        let [scan, images] = ["scan", "images"].map(|name| graph.nodes.iter().find(|node| node.name == name).expect("a node").y);
        assert!((scan - images).abs() >= HEIGHT, "they do not cover each other");
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        let graph = Graph::of(&[]);
        assert!(graph.nodes.is_empty() && graph.edges.is_empty());
    }
}
