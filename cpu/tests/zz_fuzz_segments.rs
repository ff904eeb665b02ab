mod rings;
use rings::*;
use paravane_cpu::state::segments::*;
use paravane_cpu::state::flags::Rflags;
struct R(u64);
impl R { fn n(&mut self)->u64{ self.0 ^= self.0<<13; self.0^=self.0>>7; self.0^=self.0<<17; self.0 } fn b(&mut self, m:u64)->u64{ (self.n()>>11)%m } }
#[test]
fn fuzz() {
    let seed: u64 = std::env::var("SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(88172645463325252);
    let mut r = R(seed);
    let ops: &[&[u8]] = &[&[0x8e],&[0x8c],&[0x9a],&[0xea],&[0xcb],&[0xca],&[0xcf],&[0xcd],&[0xcc],&[0xce],&[0xf1],&[0xff],&[0x0f,0],&[0x0f,1],&[0x0f,2],&[0x0f,3],&[0x0f,5],&[0x0f,7],&[0x0f,0x34],&[0x0f,0x35],&[0x17],&[0x07],&[0x1f],&[0x0f,0xa1],&[0x0f,0xa9],&[0xc4],&[0xc5],&[0x0f,0xb2],&[0x0f,0xb4],&[0x63],&[0x62],&[0x0f,0x0b],&[0x06],&[0x0e]];
    let mut exits = std::collections::BTreeMap::<String,u64>::new();
    let bases = [Machine::protected(0),Machine::protected(3),Machine::long(0),Machine::long(3),Machine::compatibility(0),Machine::compatibility(3),Machine::real(),Machine::virtual_8086(3),Machine::virtual_8086(0),Machine::protected(1)];
    for i in 0..400_000u64 {
        let mut m = bases[r.b(bases.len() as u64) as usize].clone();
        for _ in 0..r.b(4) { let s = (r.b(0x30)*8) as u16; let v = r.n(); let cur: u64 = m.get(GDT + u64::from(s)); let nv = if r.b(2)==0 { cur ^ (1<<r.b(64)) } else { v & !(0xff<<56) }; m.describe(s, nv); }
        for k in 0..16u64 { let a = [0x8eu64,0x8f,0x86,0x87,0x85,0xee,0xef,0xe6,0xe5,0x0e][r.b(10) as usize]; let sel=(r.b(0x30)*8+r.b(4)) as u16; let off = if r.b(4)==0 { r.n() } else { HANDLER };
            let vec = [0x40u64,13,14,6,3,4,1,11,12,10][r.b(10) as usize]; let long = m.cpu.mode().is_long(); let g = gate(sel, off & 0xffff_ffff, a, r.b(8)); if long { m.set(IDT+vec*16,g); m.set(IDT+vec*16+8, if r.b(3)==0 {r.n()} else {0}); } else { m.set(IDT+vec*8,g); } let _=k; }
        if r.b(3)==0 { m.set(TSS+4+r.b(30), r.n()); }
        if r.b(5)==0 { m.task_register(r.b(0x70) as u32, if r.b(2)==0 {0x83} else {0x8b}); }
        if r.b(5)==0 { m.cpu.segments.gdtr.limit = r.b(0x200) as u16; }
        if r.b(5)==0 { m.cpu.segments.idtr.limit = r.b(0x500) as u16; }
        for reg in 0..16u8 { if reg!=4 || r.b(4)==0 { let v = match r.b(5) {0=>r.n(),1=>r.b(0x180),2=>0x8000,3=>r.b(0x20_0000),_=>0x7fff_ffff_fff8+r.b(16)}; m.cpu.registers.set(reg, v);} }
        for k in 0..10u64 { let v = match r.b(5) {0=>r.n(),1=>r.b(0x30)*8+r.b(4),2=>HANDLER,3=>r.n()&0x27ffff,_=>STACK}; let sp=m.cpu.rsp(); let b = m.cpu.segments.get(SegmentName::Ss).base; let _ = m.cpu.ram.write(b.wrapping_add(sp & 0xfffff).wrapping_add(k*[2,4,8][r.b(3) as usize]), v); }
        for k in 0..4u64 { let v=r.n(); m.set(0x8000+k*4, v); if r.b(2)==0 { m.set(0x8004, (r.b(0x30)*8+r.b(4)) as u16);} }
        if r.b(3)==0 { let vm = m.cpu.flags.all() & Rflags::VM; m.cpu.flags.set_all((Rflags::from_bits_truncate(r.n()) - Rflags::VM) | vm); }
        if r.b(3)==0 { let names=SegmentName::ALL; let nme=names[r.b(6) as usize]; if nme!=SegmentName::Cs && nme!=SegmentName::Ss && m.cpu.mode().has_descriptors() { m.hold(nme,(r.b(0x2f)*8+r.b(4)) as u16);} }
        m.cpu.msr.star=r.n(); m.cpu.msr.lstar=HANDLER; m.cpu.msr.fmask=r.n(); m.cpu.msr.sysenter_cs=r.b(0x10000); m.cpu.msr.sysenter_eip=r.n()>>20; m.cpu.msr.sysenter_esp=r.n()>>20;
        let mut code = vec![]; if r.b(4)==0 { code.push(0x66);} if r.b(3)==0 { code.push(0x48);} 
        code.extend(ops[r.b(ops.len() as u64) as usize]);
        match r.b(4) { 0 => code.extend([0x05,0x00,0x80,0,0]), 1 => code.extend([0x1d|(r.b(2) as u8)<<4 ,0x00,0x80,0,0]), _=>{} }
        for _ in 0..8 { code.push(r.n() as u8);} 
        if r.b(4)==0 { code[..2].copy_from_slice(&[0xcd,0x40]); }
        if r.b(6)==0 { m.bus.interrupt=Some([0x40,1,3][r.b(3) as usize]); }
        let res = match r.b(3) { 0 => { let v=[paravane_cpu::Vector::GeneralProtection,paravane_cpu::Vector::InvalidOpcode,paravane_cpu::Vector::PageFault][r.b(3) as usize]; let mut c=m.clone(); let _=v; let e=c.run(&code, paravane_cpu::Intercepts::NONE); Err(e) } _ => m.outcome(&code).map(|_|()) };
        let key = format!("{:?}", res.map_err(|e| match e { paravane_cpu::Exit::Exception(e)=>format!("{:?}",e.vector), o=>format!("{o:?}").chars().take(14).collect() }));
        *exits.entry(key).or_default() += 1; let _=i;
    }
    eprintln!("{exits:#?}");
}
