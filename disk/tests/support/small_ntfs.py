"""Fills an NTFS that ntfs-3g mounted at argv[1] with a little of everything: see images_ntfs.py."""
import os
import random
import struct
import sys

os.chdir(sys.argv[1]); random.seed(2)
def w(p,c=b''): open(p,'wb').write(c)
def rp(p,tag,data,d):
    os.mkdir(p) if d else w(p)
    os.setxattr(p,'system.ntfs_reparse_data',struct.pack('<IHH',tag,len(data),0)+data)
def mp(s):
    s=s.encode('utf-16le'); return struct.pack('<HHHH',0,len(s),len(s)+2,0)+s+bytes(4)
def sl(s,f):
    s=s.encode('utf-16le'); return struct.pack('<HHHHI',0,len(s),0,0,f)+s
os.makedirs('Users/Ann'); w('Users/Ann/note.txt',b'hello\r\n'); os.link('Users/Ann/note.txt','hard link')
w('plain',bytes(range(250))*36)
os.mkdir('comp'); os.setxattr('comp','system.ntfs_attrib',struct.pack('<I',0x800))
t=b' '.join(random.choices([b'alpha',b'beta',b'gamma',b'delta'],k=12000))
w('comp/text',t); w('comp/mix',random.randbytes(16384)+bytes(70000)+t[:20000])
with open('sparse','wb') as f: f.write(b'a'*3000); f.seek(300000); f.write(b'end')
os.mkdir('many')
a=open('piece','wb',buffering=0)
for i in range(120):
    w(f'many/a rather long name of a file {i}',b'%d'%i)
    a.write(bytes([i])*1024)
for i in range(0,120,2): os.unlink(f'many/a rather long name of a file {i}')
rp('Documents and Settings',0xA0000003,mp('\\??\\C:\\users'),1); rp('sym',0xA000000C,sl('users\\ann\\NOTE.TXT',1),0); rp('other',0x80001234,b'abcd',0)
os.symlink('users','interix'); os.mkfifo('fifo'); os.mknod('null',0o20600,os.makedev(1,3))
os.setxattr('plain','user.Zone.Identifier',b'[ZoneTransfer]')
w('streams',b'x')
for i in range(25): os.setxattr('streams',f'user.stream {i}',b'v'*(i*17))
