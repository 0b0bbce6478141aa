//! Draws every scene into a folder: `cargo run -p mywork-covers --example draw -- /tmp/covers`

use mywork_covers::{Cover, Palette, Scene, render};
use std::{error::Error, fs, path::PathBuf, time::Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("name a folder")?);
    fs::create_dir_all(&folder)?;
    let scenes = [
        Scene::Dashboard,
        Scene::Code,
        Scene::Endpoints,
        Scene::Pipeline,
        Scene::Phones,
        Scene::Board,
        Scene::Gallery,
        Scene::Parts,
        Scene::Table,
        Scene::Charts,
        Scene::Terminal,
        Scene::Chat,
    ];
    for (n, scene) in scenes.into_iter().enumerate() {
        let started = Instant::now();
        let pictures = render(&Cover { scene, palette: Palette::number(n), seed: n as u64 + 7 })?;
        println!("{scene:?} in {:.0?}", started.elapsed());
        for picture in pictures {
            println!("  {} {}x{}: {} bytes", picture.name, picture.width, picture.height, picture.bytes.len());
            fs::write(folder.join(format!("{scene:?}-{}.webp", picture.name)), picture.bytes)?;
        }
    }
    Ok(())
}
