from __future__ import annotations
import time, subprocess
from tests.hostile.conftest import *
from tests.services import FOLDER
from tests.hostile.test_silence import talk, LONG, TABS
def test_prof(acme_place, visitor, web):
    with Raw(acme_place, buffer=4096) as line:
        greet(line, visitor)
        for part in range(6):
            for t in range(1):
              with visitor.socket() as tab:
                for n in range(50):
                    assert visitor.say(tab, LONG, id=f"m{part}-{n}")["type"] == "ack"
            print(part, web.lines(), subprocess.run("ss -tnm | grep -A1 ':%d '" % web.port, shell=True, capture_output=True, text=True).stdout)
        time.sleep(8)
        print("end", web.lines(), subprocess.run("ss -tnm | grep -A1 ':%d '" % web.port, shell=True, capture_output=True, text=True).stdout)
        print(line.closed())
        print(open(FOLDER/"hostile.log").read()[-3000:])
