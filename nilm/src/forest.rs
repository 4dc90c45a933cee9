//! A forest of decision trees that says how likely a candidate is a cycle of one kind.
//!
//! The trees are grown by `linfa-trees` on balanced bootstrap samples, each on a part of the
//! features; the leaves keep the share of samples of the kind, so that the forest gives a
//! probability and not a vote. Growing is deterministic for a seed.

use linfa::prelude::*;
use linfa_trees::{DecisionTree, TreeNode};
use ndarray::{Array1, Array2};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

/// What a sample of the kind weighs more than any other: a leaf in which both classes weigh the
/// same goes to either by chance in `linfa-trees`, which no seed governs.
const NO_TIE: f32 = 1.000_141_4;

/// One candidate as numbers.
pub type Features = Vec<f32>;

/// A sample: its features, whether it is of the kind, and how much it counts.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The candidate.
    pub features: Features,
    /// Whether it is a cycle of the kind.
    pub of_kind: bool,
    /// Its weight when samples are drawn.
    pub weight: f64,
}

/// How a forest is grown.
#[derive(Clone, Copy, Debug)]
pub struct Growth {
    /// Trees.
    pub trees: usize,
    /// Samples drawn for one tree, per class.
    pub draws: usize,
    /// Share of the features that a tree sees.
    pub features: f64,
    /// Longest path.
    pub depth: usize,
    /// Fewest samples in a leaf.
    pub leaf: f32,
    /// Seed of all chance.
    pub seed: u64,
}

/// A node: a leaf has no feature.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Node(
    /// Feature looked at; a leaf where negative.
    i16,
    /// Left where the feature is below this; in a leaf the share of the kind.
    f32,
    /// Node to the left; the right one follows it.
    u16,
);

/// A grown forest.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Forest(Vec<Vec<Node>>);

impl Forest {
    /// Grows a forest; `None` where one of the classes is missing.
    #[must_use]
    pub fn grow(samples: &[Sample], growth: &Growth) -> Option<Self> {
        let width = samples.first()?.features.len();
        let classes = [true, false].map(|of_kind| Draw::new(samples, of_kind));
        if classes.iter().any(|class| class.members.is_empty()) {
            return None;
        }
        let mut rng = StdRng::seed_from_u64(growth.seed);
        let mut trees = Vec::with_capacity(growth.trees);
        for _ in 0..growth.trees {
            let mut columns: Vec<usize> = (0..width).collect();
            columns.shuffle(&mut rng);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a share of a small number"
            )]
            columns.truncate(((width as f64 * growth.features).ceil() as usize).clamp(1, width));
            columns.sort_unstable();
            let drawn: Vec<&Sample> = classes
                .iter()
                .flat_map(|class| {
                    let draws = growth.draws.min(3 * class.members.len());
                    (0..draws).map(|_| class.one(&mut rng)).collect::<Vec<_>>()
                })
                .filter_map(|i| samples.get(i))
                .collect();
            // The classes weigh the same, however many were drawn.
            let positives = drawn.iter().filter(|sample| sample.of_kind).count().max(1);
            let negatives = (drawn.len() - positives.min(drawn.len())).max(1);
            let even = (negatives as f32 / positives as f32).clamp(0.05, 20.0) * NO_TIE;
            let values = Array2::from_shape_fn((drawn.len(), columns.len()), |(row, column)| {
                let of = columns.get(column).copied().unwrap_or(0);
                drawn
                    .get(row)
                    .and_then(|sample| sample.features.get(of))
                    .copied()
                    .unwrap_or(0.0)
            });
            let targets: Array1<usize> = drawn.iter().map(|s| usize::from(s.of_kind)).collect();
            let weights: Array1<f32> = drawn
                .iter()
                .map(|s| if s.of_kind { even } else { 1.0 })
                .collect();
            let set = Dataset::new(values, targets).with_weights(weights);
            let Ok(tree) = DecisionTree::<f32, usize>::params()
                .max_depth(Some(growth.depth))
                .min_weight_leaf(growth.leaf)
                .min_weight_split(2.0 * growth.leaf)
                .fit(&set)
            else {
                continue;
            };
            let mut nodes = vec![Node(-1, 0.5, 0)];
            lay(tree.root_node(), 0, &columns, &mut nodes);
            share(&mut nodes, &drawn, even);
            trees.push(nodes);
        }
        Some(Self(trees))
    }

    /// How likely the candidate is of the kind, both classes being as frequent.
    #[must_use]
    pub fn likelihood(&self, features: &[f32]) -> f64 {
        let sum: f64 = self
            .0
            .iter()
            .map(|tree| f64::from(tree_share(tree, features)))
            .sum();
        if self.0.is_empty() {
            0.0
        } else {
            sum / self.0.len() as f64
        }
    }
}

/// Draws members of a class by their weights.
struct Draw {
    members: Vec<usize>,
    up_to: Vec<f64>,
}

impl Draw {
    fn new(samples: &[Sample], of_kind: bool) -> Self {
        let members: Vec<usize> = (0..samples.len())
            .filter(|&i| {
                samples
                    .get(i)
                    .is_some_and(|sample| sample.of_kind == of_kind)
            })
            .collect();
        let mut sum = 0.0;
        let up_to = members
            .iter()
            .filter_map(|&i| samples.get(i))
            .map(|sample| {
                sum += sample.weight;
                sum
            })
            .collect();
        Self { members, up_to }
    }

    fn one(&self, rng: &mut StdRng) -> usize {
        let at = rng.r#gen::<f64>() * self.up_to.last().copied().unwrap_or(0.0);
        let i = self.up_to.partition_point(|&up_to| up_to < at);
        self.members
            .get(i)
            .or(self.members.last())
            .copied()
            .unwrap_or(0)
    }
}

/// Copies a tree of linfa's into our flat form.
fn lay(from: &TreeNode<f32, usize>, to: usize, columns: &[usize], nodes: &mut Vec<Node>) {
    let children = from.children();
    let (Some(Some(left)), Some(Some(right))) = (children.first(), children.get(1)) else {
        return;
    };
    let (column, value, _) = from.split();
    let (Some(&feature), Ok(at)) = (columns.get(column), u16::try_from(nodes.len())) else {
        return;
    };
    nodes.push(Node(-1, 0.5, 0));
    nodes.push(Node(-1, 0.5, 0));
    if let (Some(node), Ok(feature)) = (nodes.get_mut(to), i16::try_from(feature)) {
        *node = Node(feature, value, at);
    }
    lay(left, usize::from(at), columns, nodes);
    lay(right, usize::from(at) + 1, columns, nodes);
}

fn leaf_of(tree: &[Node], features: &[f32]) -> usize {
    let mut at = 0;
    while let Some(&Node(feature, value, left)) = tree.get(at) {
        let Ok(feature) = usize::try_from(feature) else {
            break;
        };
        let below = features.get(feature).is_some_and(|&x| x < value);
        let next = usize::from(left) + usize::from(!below);
        if next <= at {
            break;
        }
        at = next;
    }
    at
}

fn tree_share(tree: &[Node], features: &[f32]) -> f32 {
    tree.get(leaf_of(tree, features))
        .map_or(0.5, |node| node.1.clamp(0.0, 1.0))
}

/// Fills the leaves with the share of samples that are of the kind.
fn share(nodes: &mut [Node], drawn: &[&Sample], even: f32) {
    let mut seen = vec![(0.0_f32, 0.0_f32); nodes.len()];
    for sample in drawn {
        if let Some(leaf) = seen.get_mut(leaf_of(nodes, &sample.features)) {
            if sample.of_kind {
                leaf.0 += even;
            } else {
                leaf.1 += 1.0;
            }
        }
    }
    for (node, (of_kind, other)) in nodes.iter_mut().zip(seen) {
        if node.0 < 0 {
            // Three digits are more than the samples bear, and keep the library small.
            let share = (of_kind + 0.5) / (of_kind + other + 1.0);
            node.1 = (share * 1000.0).round() / 1000.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_that_weigh_the_same_grow_the_same_forest() {
        // Two features that say nothing: every leaf is nearly a tie, and many are one.
        let samples: Vec<Sample> = (0..200_u16)
            .map(|i| Sample {
                features: vec![f32::from(i % 7), f32::from(i % 11)],
                of_kind: i % 2 == 0,
                weight: 1.0,
            })
            .collect();
        let growth = Growth {
            trees: 40,
            draws: 60,
            features: 1.0,
            depth: 6,
            leaf: 4.0,
            seed: 1,
        };
        let first = Forest::grow(&samples, &growth).expect("two classes");
        for _ in 0..5 {
            assert_eq!(Forest::grow(&samples, &growth), Some(first.clone()));
        }
    }
}
