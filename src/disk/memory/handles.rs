//! Directories and files of a disk in memory, as the rest of the program sees them.

use std::io;
use std::sync::{Arc, MutexGuard};

use super::world::World;
use super::{MemoryDisk, Process};
use crate::disk::{Access, Dir, DiskError, Fault, File, FileSystem, Kind, Result, Stat, Stretch};
use crate::proto::manifest::Meta;
use crate::proto::path::Name;

/// A directory of it.
#[derive(Clone, Debug)]
pub struct MemoryDir {
    disk: MemoryDisk,
    id: usize,
}

/// A file of it.
#[derive(Debug)]
pub struct MemoryFile {
    disk: MemoryDisk,
    id: usize,
    // What a lock belongs to.
    handle: Arc<()>,
    // What keeps its number from others.
    _open: Arc<()>,
}

impl MemoryDir {
    pub(super) fn new(disk: MemoryDisk, id: usize) -> MemoryDir {
        MemoryDir { disk, id }
    }

    fn find(&self, world: &World, name: &Name) -> Result<usize> {
        world.lookup(self.id, &world.fold(name.as_bytes()))
    }

    fn check_descriptors(&self, world: &World) -> Result<()> {
        if world.descriptors_max.is_some_and(|most| self.disk.descriptors() >= most) {
            return Err(DiskError::of(Fault::Exhausted, "too many open files"));
        }
        Ok(())
    }

    fn file(&self, world: &World, id: usize) -> Result<MemoryFile> {
        let open = Arc::clone(&world.node(id)?.open);
        Ok(MemoryFile { disk: self.disk.clone(), id, handle: Arc::new(()), _open: open })
    }
}

impl Dir for MemoryDir {
    type File = MemoryFile;
    type Names = std::vec::IntoIter<Result<Box<[u8]>>>;

    fn open_dir(&self, name: &Name) -> Result<MemoryDir> {
        let mut world = enter(&self.disk)?;
        self.check_descriptors(&world)?;
        let id = self.find(&world, name)?;
        world.opens += 1;
        world.look("enter", &world.node(id)?.name)?;
        if world.node(id)?.kind != Kind::Directory {
            return Err(DiskError::of(Fault::NotDirectory, "it is no directory"));
        }
        Ok(MemoryDir { disk: self.disk.clone(), id })
    }

    fn create_dir(&self, name: &Name) -> Result<()> {
        let mut world = enter(&self.disk)?;
        let id = world.create("mkdir", self.id, name.as_bytes(), Kind::Directory, b"")?;
        world.born(id, |attributes| {
            attributes.meta.mode = Some(0o700);
            attributes.is_unfinished = true;
        })
    }

    fn create_file(&self, name: &Name) -> Result<MemoryFile> {
        let mut world = enter(&self.disk)?;
        self.check_descriptors(&world)?;
        let id = world.create("create", self.id, name.as_bytes(), Kind::File, b"")?;
        self.file(&world, id)
    }

    fn open_file(&self, name: &Name, access: Access) -> Result<MemoryFile> {
        let world = enter(&self.disk)?;
        self.check_descriptors(&world)?;
        let id = self.find(&world, name)?;
        let node = world.node(id)?;
        world.look("open", &node.name)?;
        if node.kind != Kind::File {
            return Err(DiskError::of(Fault::NotFile, "it is no regular file"));
        }
        if access == Access::ReadWrite && node.attributes.meta.mode.is_some_and(|mode| mode & 0o200 == 0) {
            return Err(DiskError::new(io::ErrorKind::PermissionDenied.into()));
        }
        self.file(&world, id)
    }

    fn stat(&self, name: &Name) -> Result<Stat> {
        let world = enter(&self.disk)?;
        let id = self.find(&world, name)?;
        Ok(world.node(id)?.stat())
    }

    fn stat_self(&self) -> Result<Stat> {
        Ok(enter(&self.disk)?.node(self.id)?.stat())
    }

    fn read_link(&self, name: &Name) -> Result<Box<[u8]>> {
        let world = enter(&self.disk)?;
        let id = self.find(&world, name)?;
        Ok(world.node(id)?.contents.bytes().into())
    }

    fn rename(&self, from: &Name, to: &Name) -> Result<()> {
        let mut world = enter(&self.disk)?;
        world.act("rename", &String::from_utf8_lossy(to.as_bytes()))?;
        if self.find(&world, to).is_ok() {
            return Err(DiskError::new(io::ErrorKind::AlreadyExists.into()));
        }
        world.rename(self.id, from.as_bytes(), to.as_bytes())
    }

    fn replace(&self, from: &Name, to: &Name) -> Result<()> {
        let mut world = enter(&self.disk)?;
        world.act("replace", &String::from_utf8_lossy(to.as_bytes()))?;
        for name in [from, to] {
            if let Ok(id) = self.find(&world, name)
                && world.node(id)?.kind == Kind::Directory
            {
                return Err(DiskError::of(Fault::NotFile, "a directory neither replaces nor is replaced"));
            }
        }
        world.rename(self.id, from.as_bytes(), to.as_bytes())
    }

    fn symlink(&self, name: &Name, target: &[u8], meta: &Meta) -> Result<()> {
        let mut world = enter(&self.disk)?;
        let id = world.create("symlink", self.id, name.as_bytes(), Kind::Link, target)?;
        world.born(id, |attributes| attributes.meta = *meta)
    }

    fn remove_file(&self, name: &Name) -> Result<()> {
        let mut world = enter(&self.disk)?;
        world.act("remove", &String::from_utf8_lossy(name.as_bytes()))?;
        world.remove(self.id, name.as_bytes())
    }

    fn set_meta(&self, meta: &Meta) -> Result<()> {
        set_meta(&self.disk, self.id, meta)
    }

    fn names(&self) -> Result<Self::Names> {
        let world = enter(&self.disk)?;
        let names: Vec<_> =
            world.node(self.id)?.names.entries().map(|(name, _)| Ok(name.clone().into())).collect();
        Ok(names.into_iter())
    }

    fn sync(&self) -> Result<()> {
        let mut world = enter(&self.disk)?;
        act_on(&mut world, self.id, "sync-dir")?;
        world.node_mut(self.id)?.sync();
        Ok(())
    }

    fn file_system(&self) -> FileSystem {
        FileSystem { id: 0, syncs_whole: self.disk.world().syncs_whole }
    }

    fn available(&self) -> Result<Option<u64>> {
        Ok(enter(&self.disk)?.room())
    }

    fn files_max(&self) -> usize {
        self.disk.world().files_max
    }

    fn sync_file_system(&self) -> Result<()> {
        let mut world = enter(&self.disk)?;
        world.act("sync-all", "")?;
        world.sync_all();
        Ok(())
    }
}

impl File for MemoryFile {
    fn stat(&self) -> Result<Stat> {
        Ok(enter(&self.disk)?.node(self.id)?.stat())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let world = enter(&self.disk)?;
        let node = world.node(self.id)?;
        world.look("read", &node.name)?;
        Ok(node.contents.read(buffer, offset))
    }

    fn stretch(&self, offset: u64, size: u64) -> Result<Stretch> {
        Ok(enter(&self.disk)?.node(self.id)?.contents.stretch(offset, size))
    }

    fn will_read_all(&self) {}

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        let mut world = enter(&self.disk)?;
        act_on(&mut world, self.id, "write")?;
        world.write(self.id, bytes, offset)
    }

    fn set_len(&self, length: u64) -> Result<()> {
        let mut world = enter(&self.disk)?;
        act_on(&mut world, self.id, "length")?;
        world.change(self.id, |node| node.contents.resize(length))
    }

    fn set_meta(&self, meta: &Meta) -> Result<()> {
        set_meta(&self.disk, self.id, meta)
    }

    fn sync(&self) -> Result<()> {
        let mut world = enter(&self.disk)?;
        act_on(&mut world, self.id, "sync")?;
        world.node_mut(self.id)?.sync();
        Ok(())
    }

    fn sync_data(&self) -> Result<()> {
        let mut world = enter(&self.disk)?;
        act_on(&mut world, self.id, "sync-data")?;
        world.node_mut(self.id)?.contents.sync();
        Ok(())
    }

    fn try_lock(&self) -> Result<bool> {
        let mut world = enter(&self.disk)?;
        let node = world.node_mut(self.id)?;
        let holder =
            node.lock.as_ref().filter(|(_, process)| !process.is_dead()).map(|(handle, _)| handle.upgrade());
        if holder.flatten().is_some_and(|holder| !Arc::ptr_eq(&holder, &self.handle)) {
            return Ok(false);
        }
        node.lock = Some((Arc::downgrade(&self.handle), Arc::clone(&self.disk.process)));
        Ok(true)
    }
}

fn set_meta(disk: &MemoryDisk, id: usize, meta: &Meta) -> Result<()> {
    let mut world = enter(disk)?;
    act_on(&mut world, id, "meta")?;
    world.change(id, |node| {
        node.attributes.meta = Meta { mode: meta.permissions().or(Some(0o644)), ..*meta };
        node.attributes.is_unfinished = false;
    })
}

fn act_on(world: &mut World, id: usize, verb: &'static str) -> Result<()> {
    let name = world.node(id)?.name.clone();
    world.act(verb, &name)
}

/// The world behind a handle, unless the handle's process is dead or nothing happens any more.
fn enter(disk: &MemoryDisk) -> Result<MutexGuard<'_, World>> {
    if disk.process.is_dead() {
        return Err(DiskError::of(Fault::Broken, Process::DEAD));
    }
    let world = disk.world();
    world.check_running()?;
    Ok(world)
}
